// The page Steer: asks for texts, shows them as they are written, keeps tries. All text is set as text.
(function () {
  "use strict";
  var form = document.getElementById("steer");
  if (!form) return;
  var api = form.dataset.api, unit = form.dataset.unit, key = "topklm-tries-" + form.dataset.run;
  var byId = function (id) { return document.getElementById(id); };
  var stopper = null, measured = [];
  var ACTIONS = [["set_to", "set to"], ["add", "add"], ["scale", "times"], ["ablate", "switch off"]];
  var KEPT = 20;

  function make(name, content, more) {
    var node = document.createElement(name);
    if (content !== undefined && content !== null) node.append(content);
    return Object.assign(node, more || {});
  }
  function hint(node, attribute, value) { node.setAttribute(attribute, value); return node; }

  // --- the neurons that are changed -----------------------------------------------------------------
  function range(action, own) {
    if (action === "add") return own ? [-4, 4, 0.25] : [-20, 20, 0.5];
    return action === "scale" || own ? [0, 4, 0.25] : [0, 20, 0.5];
  }
  // own: its unit, "x" for times its 99th percentile or none; the page's where nothing is said
  function add(feature, action, strength, own) {
    if (own === undefined) own = unit;
    if (byId("edits").children.length >= Number(form.dataset.most)) return problem("At most " + form.dataset.most + " neurons at once.");
    var row = make("li"), link = make("a", feature, { className: "feature", href: form.dataset.neuron + "/" + feature });
    var choice = hint(make("select"), "aria-label", "What is done to " + feature);
    ACTIONS.forEach(function (one) { choice.append(make("option", one[1], { value: one[0] })); });
    choice.value = action || "set_to";
    var slider = hint(make("input", null, { type: "range" }), "aria-label", "Strength of " + feature);
    var shown = make("output"), remove = hint(make("button", "Remove", { type: "button" }), "aria-label", "Remove " + feature);
    function words() { return slider.value + (choice.value === "scale" ? "" : own); }
    function bounds(value) {
      var limits = range(choice.value, own);
      slider.min = Math.min(limits[0], value); slider.max = Math.max(limits[1], value);
      slider.step = (value - slider.min) % limits[2] ? "any" : limits[2];  // a value is kept as it was given
      slider.value = value;
      slider.hidden = shown.hidden = choice.value === "ablate";
      told();
    }
    function told() { shown.textContent = words(); slider.setAttribute("aria-valuetext", words() === slider.value ? slider.value : slider.value + " times its 99th percentile"); }
    choice.addEventListener("change", function () { bounds(choice.value === "add" ? Number(slider.value) : Math.max(0, slider.value)); });
    slider.addEventListener("input", told);
    remove.addEventListener("click", function () { row.remove(); empty(); byId("by").focus(); });
    row.edit = function () {
      var edit = { feature: feature };
      edit[choice.value] = choice.value === "ablate" ? true : choice.value === "scale" || !own ? Number(slider.value) : words();
      return edit;
    };
    row.append(link, choice, slider, shown, remove);
    byId("edits").append(row);
    bounds(strength === undefined ? 1 : strength);
    empty();
  }
  function empty() { byId("no-edits").hidden = byId("edits").children.length > 0; }
  function clear() { byId("edits").replaceChildren(); empty(); }
  function edits() { return Array.from(byId("edits").children).map(function (row) { return row.edit(); }); }
  function actionOf(edit) { return ACTIONS.map(function (each) { return each[0]; }).find(function (name) { return name in edit; }); }
  function unitOf(strength, action) { return action === "ablate" || action === "scale" ? unit : String(strength).endsWith("x") ? "x" : ""; }
  function restore(all) {
    clear();
    all.forEach(function (one) {
      var action = actionOf(one);
      add(one.feature, action, action === "ablate" ? 1 : parseFloat(one[action]), unitOf(one[action], action));
    });
  }

  // --- finding neurons -------------------------------------------------------------------------------
  async function find() {
    var words = byId("by").value.trim(), list = byId("found");
    list.replaceChildren();
    if (!words) return;
    if (/^[lL]?\d+\s*\/\s*[nNfF]?\d+$/.test(words)) {
      var parts = words.match(/\d+/g);
      add("L" + parts[0] + "/N" + parts[1]);
      byId("by").value = "";
      return;
    }
    var asked = new URLSearchParams({ limit: 8 });
    asked.set(measured.includes(words) ? "concept" : "q", words);
    try {
      var answer = await fetch(api + "/features?" + asked), told = await answer.json();
      if (!answer.ok) throw new Error(told.error);
      if (!told.features.length) list.append(make("li", told.message || "Nothing fires on that.", { className: "quiet" }));
      told.features.forEach(function (row) {
        var button = make("button", "Add " + row.feature, { type: "button" });
        button.addEventListener("click", function () { add(row.feature); });
        var item = make("li", button);
        if (row.note && row.note.name) item.append(" ", make("span", row.note.name, { className: "given" }));
        row.top_tokens.slice(0, 5).forEach(function (token) { item.append(" ", make("bdi", token.text, { className: "token" })); });
        list.append(item);
      });
    } catch (error) { list.append(make("li", said(error), { className: "problem" })); }
  }

  // --- writing ---------------------------------------------------------------------------------------
  function asked() {
    return {
      prompt: byId("prompt").value, edits: edits(), ladder: byId("ladder").checked, concept: byId("concept").value.trim(),
      max_new_tokens: Number(byId("tokens").value), temperature: Number(byId("temperature").value), seed: Number(byId("seed").value),
    };
  }
  function post(path, body, signal) {
    return fetch(api + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal: signal });
  }
  function said(error) { return error instanceof TypeError ? "The explorer does not answer; does it still run?" : error.message; }
  function problem(words) { byId("problem").textContent = words; byId("problem").hidden = !words; }
  function state(words) { byId("state").textContent = words; }

  async function write(event) {
    event.preventDefault();
    if (stopper) stopper.abort();
    var mine = stopper = new AbortController(), request = asked(), columns = [], began = false;
    problem(""); state("asking…"); byId("stop").disabled = false; byId("texts").replaceChildren(); byId("judged").textContent = "";
    try {
      var answer = await post("/steer", request, mine.signal);
      if (!answer.ok) throw new Error((await answer.json()).error);
      var reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(), rest = "", ended = false;
      for (;;) {
        var part = await reader.read();
        if (part.done) break;
        var blocks = (rest + part.value).split("\n\n");
        rest = blocks.pop();
        blocks.forEach(function (block) {
          var match = /^event: (\w+)\ndata: (.*)$/s.exec(block);
          if (match && stopper === mine) ended = show(match[1], JSON.parse(match[2]), columns, request) || ended;
        });
      }
      if (!ended && stopper === mine) throw new TypeError("cut off");
    } catch (error) {
      if (stopper !== mine) return;
      state(error.name === "AbortError" ? "stopped" : "");
      if (error.name !== "AbortError") problem(said(error));
    }
    if (stopper === mine) { stopper = null; byId("stop").disabled = true; }
  }

  function show(kind, told, columns, request) {
    if (kind === "place") state(told.ahead ? told.ahead + (told.ahead === 1 ? " request is" : " requests are") + " before yours" : "you are next");
    if (kind === "begin") { state("writing…"); told.texts.forEach(function (one) { columns.push(column(one.name, told.prompt)); }); }
    if (kind === "tokens") told.tokens.forEach(function (one) { columns[one.text].written.append(one.piece); });
    if (kind === "failed") throw new Error(told.error);
    if (kind !== "end") return false;
    told.texts.forEach(function (one, place) { finish(columns[place], one, told.texts[0]); });
    state("written in " + told.seconds.toFixed(1) + " s");
    byId("judged").textContent = "Perplexity under " + told.fluency + "; distinct-2 is the share of different ones among its pairs of neighbouring tokens.";
    remember(request, told.texts);
    return true;
  }
  function column(name, prompt) {
    var article = make("article", make("h2", name)), text = make("p", null, { className: "passage", dir: "auto" });
    var written = make("span");
    text.append(make("span", prompt, { className: "quiet" }), written);
    article.append(text);
    byId("texts").append(article);
    return { article: article, written: written };
  }
  function finish(column, told, plain) {
    var letters = Array.from(told.written), at = 0, nodes = [];
    told.marks.forEach(function (mark) {
      nodes.push(letters.slice(at, mark[0]).join(""), make("mark", letters.slice(mark[0], mark[1]).join(""), { className: "p6" }));
      at = mark[1];
    });
    nodes.push(letters.slice(at).join(""));
    column.written.replaceChildren.apply(column.written, nodes);
    var facts = make("dl", null, { className: "facts" });
    function fact(name, value) { var pair = make("div", make("dt", name)); pair.append(make("dd", value)); facts.append(pair); }
    fact("marked words", String(told.marks.length));
    fact("tokens", String(told.n_tokens));
    fact("perplexity", told.perplexity === null ? "none" : told.perplexity.toFixed(1) + (told !== plain && plain.perplexity ? " (" + (told.perplexity / plain.perplexity).toFixed(1) + " times)" : ""));
    fact("distinct-2", told.distinct === null ? "none" : told.distinct.toFixed(2));
    column.article.append(facts);
    if (told.broken) column.article.append(make("p", "It ends here: so strong a change is more than the model's numbers can hold.", { className: "problem" }));
  }

  // --- settings elsewhere ------------------------------------------------------------------------------
  async function setting(path) {
    problem("");
    try {
      var answer = await post("/steer/" + path, asked()), told = await answer.json();
      if (!answer.ok) throw new Error(told.error);
      return told;
    } catch (error) { problem(said(error)); return null; }
  }
  function copy(text, done) {
    navigator.clipboard.writeText(text).then(function () { state(done); }, function () { problem("The browser does not let this page copy."); });
  }
  async function python() { var told = await setting("python"); if (told) copy(told.python, "copied as Python"); }
  async function file() {
    var told = await setting("edits");
    if (!told) return;
    var link = make("a", null, { href: "data:application/json;charset=utf-8," + encodeURIComponent(JSON.stringify(told, null, 1)), download: "edits.json" });
    link.click();
    state("saved as edits.json");
  }
  function share() {
    var query = new URLSearchParams({ prompt: byId("prompt").value });
    edits().forEach(function (one) {
      var action = actionOf(one), strength = action === "ablate" ? "" : one[action];
      query.append("edit", one.feature + "=" + (action === "set_to" ? "" : action + ":") + strength);
    });
    if (byId("concept").value) query.set("concept", byId("concept").value);
    copy(location.href.split("?")[0] + "?" + query, "link copied");
  }

  // --- tries -------------------------------------------------------------------------------------------
  function tries() { try { var kept = JSON.parse(localStorage.getItem(key)); return Array.isArray(kept) ? kept : []; } catch (error) { return []; } }
  function keep(all) { try { localStorage.setItem(key, JSON.stringify(all)); } catch (error) { /* not stored */ } list(); }
  function remember(request, texts) {
    keep([{ request: request, name: texts[texts.length - 1].name, words: texts[texts.length - 1].written.slice(0, 120) }].concat(tries()).slice(0, KEPT));
  }
  function list() {
    var all = tries();
    byId("history").hidden = !all.length;
    byId("past").replaceChildren.apply(byId("past"), all.map(function (one) {
      var button = make("button", one.name, { type: "button" });
      button.addEventListener("click", function () { take(one.request); byId("prompt").focus(); });
      var item = make("li", button);
      item.append(" ", make("span", one.request.prompt, { className: "quiet" }), make("span", one.words));
      return item;
    }));
  }
  function take(request) {
    byId("prompt").value = request.prompt; byId("ladder").checked = request.ladder; byId("concept").value = request.concept;
    byId("tokens").value = request.max_new_tokens; byId("temperature").value = request.temperature; byId("seed").value = request.seed;
    restore(request.edits);
  }

  // --- the beginning -------------------------------------------------------------------------------------
  form.addEventListener("submit", write);
  byId("stop").addEventListener("click", function () { if (stopper) stopper.abort(); });
  byId("search").addEventListener("click", find);
  byId("by").addEventListener("keydown", function (event) { if (event.key === "Enter") { event.preventDefault(); find(); } });
  byId("python").addEventListener("click", python);
  byId("file").addEventListener("click", file);
  byId("share").addEventListener("click", share);
  byId("forget").addEventListener("click", function () { keep([]); byId("by").focus(); });
  JSON.parse(form.dataset.edits).forEach(function (text) {
    var match = /^(L\d+\/[NF]\d+)=(?:(add|scale):)?(-?[\d.]+x?)$|^(L\d+\/[NF]\d+)=ablate:?$/.exec(text);
    if (!match) return;
    var action = match[4] ? "ablate" : match[2] || "set_to";
    add(match[1] || match[4], action, match[4] ? 1 : parseFloat(match[3]), unitOf(match[3], action));
  });
  list();
  function options(path, where, then) {
    fetch(api + path).then(function (answer) { return answer.ok ? answer.json() : { concepts: [] }; }).then(function (told) {
      var names = told.concepts.map(function (one) { return one.concept || one; });
      byId(where).append.apply(byId(where), names.map(function (name) { return make("option", null, { value: name }); }));
      then(names);
    }, function () { /* the fields work without */ });
  }
  options("/steer/concepts", "concepts", function () {});
  if (unit) options("/concepts", "measured", function (names) { measured = names; });
})();
