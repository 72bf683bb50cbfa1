// In the head and not a module, so that the page never shows the other colors first.
(() => {
  const stored = localStorage.getItem('ecomstream-theme');
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  document.documentElement.dataset.theme = stored ?? system;
})();
