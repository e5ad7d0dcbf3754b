// The scripts: a button that shows the password, and a form that sends itself. Without them the pages work all the same.
for (const button of document.querySelectorAll("button[data-shows]")) {
  const input = document.getElementById(button.dataset.shows);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.textContent = shown ? button.dataset.show : button.dataset.hide;
    button.setAttribute("aria-pressed", String(!shown));
    input.focus();
  });
}
// An answer that travels by form sends itself; without scripts its button does.
document.getElementById("form-post")?.requestSubmit();
