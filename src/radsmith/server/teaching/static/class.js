// A teacher's view: each learner's progress, each question's figures, files to take away.

import { $, make } from "/static/dom.js";
import { get } from "./api.js";

const FILES = [["csv", "Answers (CSV)"], ["items", "Questions (CSV)"], ["xapi", "xAPI statements"], ["scorm", "SCORM 1.2 package"], ["anki", "Anki deck"]];
const figure = (value, digits = 2) => (value == null ? "–" : value.toFixed(digits).replace("-", "−"));
const between = (pair) => (pair ? ` (${figure(pair[0])} to ${figure(pair[1])})` : "");

function table(title, head, rows) {
  const cells = (values, tag) => values.map((value) => (value instanceof Node ? value : make(tag, { textContent: String(value) })));
  return [make("h2", { textContent: title }), make("div", { className: "scroll", tabIndex: 0 }, make("table", {},
    make("thead", {}, make("tr", {}, ...cells(head, "th"))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row, "td"))))))];
}

export async function showClass(path, exports) {
  const found = await get(`${path}/class`);
  const links = exports ? [make("p", { className: "actions" }, ...FILES.map(([form, words]) => make("a", {
    className: "button", href: `/teach/api${path}/export/${form}`, textContent: words,
  })))] : [];
  const share = (one) => (one.answered ? `${Math.round((100 * one.right) / one.answered)} %` : "–");
  const items = found.items.map((one) => [
    `${one.question} ${one.told}`, one.answered, figure(one.difficulty) + between(one.difficulty_interval),
    figure(one.discrimination) + between(one.discrimination_interval), make("td", { className: "remark", textContent: one.remark }),
  ]);
  $("class").replaceChildren(
    ...table("Learners", ["learner", "answered", "right", "share"],
      found.learners.map((one) => [one.name, `${one.answered} of ${one.total}`, one.right, share(one)])),
    ...table("Questions", ["question", "answers", "difficulty (share right)", "discrimination", "remark"], items),
    make("p", { className: "quiet", textContent: `First answers alone. Discrimination: correlation with the rest of the set, the question itself taken out. Intervals: 95 %. Cronbach's alpha: ${figure(found.alpha)}.` }),
    ...links);
}
