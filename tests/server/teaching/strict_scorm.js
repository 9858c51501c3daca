// SCORM 1.2 Run-Time Environment, section 3.4: what may be set, in which form.
const number = /^-?\d+(\.\d+)?$/, span = /^\d{2,4}:\d{2}:\d{2}(\.\d{1,2})?$/;
const text = (most) => ({ test: (value) => value.length <= most });
const RULES = [
  [/^cmi\.core\.lesson_status$/, /^(passed|completed|failed|incomplete|browsed)$/],
  [/^cmi\.core\.exit$/, /^(time-out|suspend|logout|)$/],
  [/^cmi\.core\.score\.(raw|min|max)$/, number],
  [/^cmi\.core\.session_time$/, span],
  [/^cmi\.suspend_data$/, text(4096)],
  [/^cmi\.interactions\.(\d+)\.id$/, /^[\w.-]{1,255}$/],
  [/^cmi\.interactions\.(\d+)\.type$/, /^(true-false|choice|fill-in|matching|performance|sequencing|likert|numeric)$/],
  [/^cmi\.interactions\.(\d+)\.time$/, /^\d{2}:\d{2}:\d{2}(\.\d{1,2})?$/],
  [/^cmi\.interactions\.(\d+)\.(correct_responses\.0\.pattern|student_response)$/, text(255)],
  [/^cmi\.interactions\.(\d+)\.result$/, /^(correct|wrong|unanticipated|neutral|-?\d+(\.\d+)?)$/],
  [/^cmi\.interactions\.(\d+)\.latency$/, span],
];
window.kept = JSON.parse(sessionStorage.getItem("kept") ?? "{}");
window.faults = [];
let state = "not initialised", count = 0;
const fault = (what) => { window.faults.push(what); return "false"; };
window.API = {
  LMSInitialize: (given) => (given !== "" || state !== "not initialised" ? fault("initialise") : (state = "running", "true")),
  LMSGetValue: (name) => (state !== "running" ? fault(`get ${name}`) && ""
    : name === "cmi.interactions._count" ? String(count) : window.kept[name] ?? ""),
  LMSSetValue: (name, value) => {
    const rule = RULES.find(([known]) => known.test(name));
    const at = name.match(/^cmi\.interactions\.(\d+)/);
    if (state !== "running" || !rule || typeof value !== "string" || !rule[1].test(value)) return fault(`${name} = ${value}`);
    if (at && Number(at[1]) > count) return fault(`${name} before interaction ${count}`);
    if (at) count = Math.max(count, Number(at[1]) + 1);
    window.kept[name] = value;
    return "true";
  },
  LMSCommit: () => (state !== "running" ? fault("commit") : (sessionStorage.setItem("kept", JSON.stringify(window.kept)), "true")),
  LMSFinish: () => (state !== "running" ? fault("finish") : (state = "over", window.over = true, "true")),
  LMSGetLastError: () => "0", LMSGetErrorString: () => "", LMSGetDiagnostic: () => "",
};
