// Runs before anything is shown. Whoever was signed in last time is shown an
// empty frame instead of the form, until the session has been asked for; and a
// script that does not arrive leaves a word instead of a page that does nothing.
(root => {
  try {
    if (localStorage.getItem('portcullis.in')) root.classList.add('in');
  } catch { /* storage is refused: the form is shown */ }
  const broken = () => root.classList.add('broken');
  addEventListener('error', event => {
    if (event.target.tagName === 'SCRIPT') broken();
  }, true);
  setTimeout(() => root.classList.contains('ready') || root.classList.add('slow'), 6000);
})(document.documentElement);
