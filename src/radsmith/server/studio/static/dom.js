// Small tools for the page.

export const $ = (id) => document.getElementById(id);

// An element with properties and children; text is always set as text.
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

// Hand a file over to the person, under this name.
export function give(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// Ask before what cannot be taken back; resolves to true or false.
export function sure(question, words) {
  const dialog = $("sure");
  $("sure-question").textContent = question;
  $("sure-yes").textContent = words;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

export const small = matchMedia("(max-width: 720px)");
