// Everything the record says of the image that is shown, and its downloads.

import { fileOf } from "./api.js";
import { $, make } from "./dom.js";

const FORMS = {
  png: "8 bit, with provenance (S)",
  png16: "16 bit, with provenance",
  dicom: "DICOM, marked as synthetic",
};

function rows(image) {
  const r = image.record;
  const spacing = image.spacing ? `${image.spacing.map((mm) => mm.toFixed(3)).join(" × ")} mm${image.record.synthetic && !image.record.parents.length ? " (nominal)" : ""}` : "not known";
  return [
    ["Asked for", r.prompt],
    ["Read as", r.canonical_prompt],
    ["Warnings", r.warnings, "warn"],
    ["Not understood", r.not_understood, "warn"],
    ["Operation", r.operation],
    ["Seed", r.seed],
    ["Steps · guidance · sampler", `${r.num_steps} · ${r.guidance_scale} · ${r.sampler}`],
    ["Size · spacing", `${image.width} × ${image.height} · ${spacing}`],
    ["Concepts", r.concepts],
    ["Made", r.created],
    ["Model", `${r.model} ${r.model_digest.slice(0, 12)}`],
    ["Edit", r.edit ?? ""],
    ["Untouched pixels (SHA-256)", r.untouched_sha256 ?? ""],
    ["Engine · radsmith", `${r.engine} · ${r.radsmith_version}`],
    ["Parents", r.parents.map((digest) => digest.slice(0, 16))],
    ["Pixels (SHA-256)", r.pixels_sha256],
    ["Notice", r.notice],
  ];
}

// No image is shown.
export function clear() {
  $("no-details").hidden = false;
  $("record-actions").hidden = true;
  $("record").replaceChildren();
  for (const form of Object.keys(FORMS)) {
    $(`save-${form}`).removeAttribute("href");
    $(`save-${form}`).setAttribute("aria-disabled", "true");
  }
}

export function show(image) {
  $("no-details").hidden = true;
  $("record-actions").hidden = false;
  $("reuse").hidden = !image.record.synthetic;
  const nodes = [];
  for (const [name, value, kind] of rows(image)) {
    const lines = Array.isArray(value) ? value : [String(value)];
    if (!lines.length || lines[0] === "") continue;
    nodes.push(make("div", {}, make("dt", {}, name), ...lines.map((line) => make("dd", { className: kind ?? "" }, line))));
  }
  $("record").replaceChildren(...nodes);
  for (const [form, words] of Object.entries(FORMS)) {
    const link = $(`save-${form}`);
    link.title = image.record.synthetic ? words : "An uploaded image: you have its file";
    if (image.record.synthetic) {
      link.href = fileOf(image, form, true);
      link.removeAttribute("aria-disabled");
    } else {
      link.removeAttribute("href");
      link.setAttribute("aria-disabled", "true");
    }
  }
}
