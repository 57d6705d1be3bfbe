// Sets the chosen theme before anything is drawn, so that no page flashes.
(function () {
  try {
    var chosen = localStorage.getItem("topklm-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (error) { /* a page from disk may not store */ }
})();
