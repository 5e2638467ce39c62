// The colours that the reader chose, before anything is painted.
{
  const root = document.documentElement;
  root.dataset.mode = localStorage.getItem("mode") || "auto";
  root.dataset.theme = root.dataset.mode !== "auto" ? root.dataset.mode
    : matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
