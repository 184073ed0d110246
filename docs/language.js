// Adds a link to the menu bar that shows the same page in the other language, or that language's
// introduction if the page is not translated.
(() => {
  // The pages that exist in Russian. A test compares this list with docs/ru/SUMMARY.md.
  const TRANSLATED = ["hub", "introduction", "quick-start", "resume", "server-sent-events"];

  const isRussian = document.documentElement.lang === "ru";
  const page = location.pathname.split("/").pop().replace(/\.html$/, "") || "introduction";
  const target = TRANSLATED.includes(page) ? page : "introduction";
  const link = document.createElement("a");
  link.href = `../${isRussian ? "en" : "ru"}/${target}.html`;
  link.lang = isRussian ? "en" : "ru";
  link.textContent = isRussian ? "English" : "Русский";
  link.className = "language";

  const api = document.createElement("a");
  api.href = "../api/volga/index.html";
  api.textContent = "API";
  api.className = "language";
  document.querySelector(".right-buttons")?.prepend(link, api);
})();
