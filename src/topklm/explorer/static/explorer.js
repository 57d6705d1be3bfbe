// The little that pages do themselves: theme, copying a link, tidy addresses, keys. Works without it too.
document.addEventListener("alpine:init", function () {
  "use strict";
  var modes = ["auto", "light", "dark"];

  Alpine.data("theme", function () {
    return {
      mode: document.documentElement.dataset.theme || "auto",
      get label() { return "Theme: " + this.mode; },
      next() {
        this.mode = modes[(modes.indexOf(this.mode) + 1) % modes.length];
        if (this.mode === "auto") delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = this.mode;
        try { localStorage.setItem("topklm-theme", this.mode); } catch (error) { /* not stored */ }
      },
    };
  });

  Alpine.data("share", function () {
    return {
      label: "Copy link",
      copy() {
        var that = this;
        var done = function (text) {
          that.label = text;
          setTimeout(function () { that.label = "Copy link"; }, 2000);
        };
        navigator.clipboard.writeText(location.href).then(
          function () { done("Copied"); },
          function () { done("Copy it from the address bar"); }
        );
      },
    };
  });

  Alpine.data("narrow", function () {
    return {
      // Of an export: hides the rows without all of the words.
      narrow(event) {
        var words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
        document.querySelectorAll(".neurons tbody tr").forEach(function (row) {
          var text = row.textContent.toLowerCase();
          row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
        });
      },
    };
  });

  Alpine.data("filters", function () {
    return {
      // Empty fields stay out of the address.
      tidy(event) {
        var data = event.detail.formData;
        Array.from(data.keys()).forEach(function (name) {
          if (!data.get(name) || (name === "source" && data.get(name) === "topk")) data.delete(name);
        });
      },
    };
  });
});

document.addEventListener("keydown", function (event) {
  var field = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !field && !event.ctrlKey && !event.metaKey && !event.altKey) {
    var find = document.getElementById("q") || document.getElementById("find");
    if (find) { event.preventDefault(); find.focus(); find.select(); }
  }
});

// An answer that is an error is shown like any other: its page has the same parts.
document.addEventListener("htmx:beforeSwap", function (event) {
  if (event.detail.xhr.status === 422 && event.detail.xhr.responseText.indexOf('id="results"') > 0) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
document.addEventListener("htmx:responseError", function (event) { told(event, "That failed."); });
document.addEventListener("htmx:sendError", function (event) { told(event, "The explorer does not answer; does it still run?"); });
document.addEventListener("htmx:beforeRequest", untold);
function untold() {
  var old = document.getElementById("told");
  if (old) old.remove();
}
function told(event, words) {
  var place = event.detail.target || document.getElementById("main");
  untold();
  var line = document.createElement("p");
  line.id = "told";
  line.className = "problem";
  line.setAttribute("role", "alert");
  var found = new DOMParser().parseFromString(event.detail.xhr ? event.detail.xhr.responseText || "" : "", "text/html").querySelector(".empty p");
  line.textContent = found ? found.textContent : words;
  place.before(line);
}
