// The colours that the reader chose, before anything is painted.
{
  const root = document.documentElement;
  root.dataset.mode = localStorage.getItem("mode") || "auto";
  root.dataset.theme = root.dataset.mode !== "auto" ? root.dataset.mode
    : matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
// MathJax, while the book has it: what its inline configuration said, which the pages' policy would not run.
window.MathJax = {options: {processHtmlClass: "tex2jax_process|mathjax_process|math|output_area"}, chtml: {mtextInheritFont: true}};
