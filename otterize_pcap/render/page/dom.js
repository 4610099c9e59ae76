// Makes elements. Every name that a page shows is foreign text: it only ever becomes a text node or
// an attribute named here, never markup.
"use strict";

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") made.append(value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An HTML element: `text` is its text, all else are attributes. */
function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
function drawing(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function button(text, press, attributes = {}) {
  const made = element("button", { type: "button", text, ...attributes });
  made.addEventListener("click", press);
  return made;
}

/** Makes a drawing a button with a name, and a tip for the mouse; gives the element to insert. */
function pressable(drawn, { id, name, tip = name }) {
  drawn.dataset.id = id;
  for (const [attribute, value] of [["role", "button"], ["tabindex", "-1"], ["aria-label", name]]) drawn.setAttribute(attribute, value);
  // Else the words of neighbouring texts would run into each other.
  for (const text of drawn.querySelectorAll("text")) text.after(" ");
  return drawing("g", {}, drawing("title", { text: tip, "aria-hidden": "true" }), drawn);
}

/** Tells a screen reader what just happened. */
function announce(text) {
  byId("status").textContent = text;
}

/** "1 call", "2 boxes"; numbers with a thin space between thousands. */
function counted(number, noun) {
  const plural = /(s|x)$/.test(noun) ? noun + "es" : noun + "s";
  return grouped(number) + " " + (number === 1 ? noun : plural);
}

function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** The middle of a long text is left out. */
function shortened(text, longest) {
  const half = Math.floor((longest - 1) / 2);
  return text.length <= longest ? text : text.slice(0, half) + "…" + text.slice(-half);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page that was opened from a file has no clipboard in some browsers.
    const field = element("textarea", { text, readonly: true, class: "offscreen" });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

/** A button that copies a text and says so for a moment. */
function copyButton(text, label, name = "Copy") {
  const made = button(name, async () => {
    await copy(typeof text === "function" ? text() : text);
    made.textContent = "Copied";
    announce("Copied " + label);
    setTimeout(() => { made.textContent = name; }, 1500);
  }, { class: "copy", "aria-label": name + ": " + label });
  return made;
}
