(function () {
  "use strict";
  var form = document.getElementById("quiz");
  var left = document.getElementById("left");
  var key = "topklm-quiz-" + form.dataset.quiz;

  function answers() {
    var found = {};
    form.querySelectorAll("fieldset").forEach(function (set) {
      var chosen = [];
      set.querySelectorAll("input:checked").forEach(function (box) {
        if (box.value !== "none") chosen.push(Number(box.value));
      });
      var text = set.querySelector("input[type=text]");
      var none = set.querySelector("input[value=none]:checked");
      if (chosen.length || none) {
        found[set.dataset.number] = { chosen: chosen, text: text ? text.value.trim() : "" };
      }
    });
    return {
      format: "topklm.quiz-answers/1",
      quiz: form.dataset.quiz,
      reader: document.getElementById("reader").value.trim(),
      answers: found
    };
  }

  function changed() {
    var found = answers();
    var missing = form.querySelectorAll("fieldset").length - Object.keys(found.answers).length;
    left.textContent = missing ? missing + " left to answer" : "all answered";
    try { localStorage.setItem(key, JSON.stringify(found)); } catch (error) { /* a page may not store */ }
  }

  function restore() {
    var kept = null;
    try { kept = JSON.parse(localStorage.getItem(key)); } catch (error) { /* nothing is kept */ }
    if (!kept) return;
    document.getElementById("reader").value = kept.reader || "";
    Object.keys(kept.answers || {}).forEach(function (number) {
      var set = form.querySelector('fieldset[data-number="' + number + '"]');
      if (!set) return;
      var answer = kept.answers[number];
      set.querySelectorAll("input[type=radio], input[type=checkbox]").forEach(function (box) {
        box.checked = answer.chosen.length
          ? answer.chosen.indexOf(Number(box.value)) >= 0 && box.value !== "none"
          : box.value === "none";
      });
      var text = set.querySelector("input[type=text]");
      if (text) text.value = answer.text || "";
    });
  }

  form.addEventListener("change", function (event) {
    var set = event.target.closest("fieldset");
    var box = event.target;
    if (set && box.type === "checkbox" && box.checked) {
      set.querySelectorAll("input[type=checkbox]").forEach(function (other) {
        // "none" and any other answer rule each other out
        if ((other.value === "none") !== (box.value === "none")) other.checked = false;
      });
    }
    changed();
  });

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var text = JSON.stringify(answers(), null, 2) + "\n";
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "answers-" + form.dataset.quiz + ".json";
    link.click();
    var copy = document.getElementById("copy");
    copy.value = text;
    copy.parentElement.hidden = false;
  });

  restore();
  changed();
})();
