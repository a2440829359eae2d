"use strict";
const $ = id => document.getElementById(id);
const table = DATA.comparison;
const COLUMNS = [
  ["task"], ["target"], ["extractor"], ["baseline"], ["n", "n"], ["baseline_mean", "baseline’s score"],
  ["extractor_mean", "extractor’s score"], ["delta", "difference"], ["ci_low", "95 % from"], ["ci_high", "to"],
  ["p_corrected", "p"], ["q_bh", "q"], ["status"],
];
const NUMBERS = new Set(COLUMNS.map(([name]) => name).filter(name => Array.isArray(table[name])));
const MOST_SHOWN = 200, NAMED = 20, MANY = 3000;
const BLUE = "#0072B2", GREY = "#767676";
const length = (table.n || []).length;
const rows = Array.from({ length }, (_, i) => Object.fromEntries(
  Object.entries(table).map(([name, column]) =>
    [name, Array.isArray(column) ? column[i] : column.values[column.codes[i]]])));
const state = { sort: "q_bh", down: false, target: null };

const make = (tag, text, attributes = {}) => Object.assign(document.createElement(tag), { textContent: text }, attributes);
const shown = number => number === null ? "" : (Math.abs(number) < 1e-3 && number !== 0 ? number.toExponential(1) : +number.toPrecision(3)).toString().replace("-", "−");
const escaped = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const unique = values => [...new Set(values)];
const fill = (select, options) => select.replaceChildren(...options.map(text => make("option", text, { value: text })));
const pairOf = row => `${row.extractor} against ${row.baseline}`;
const wanted = row => row.target.toLowerCase().includes($("filter").value.trim().toLowerCase());

function current() {
  return rows.filter(row => row.task === $("task").value && pairOf(row) === $("pair").value);
}

function choosePairs() {
  const kept = $("pair").value;
  const pairs = unique(rows.filter(row => row.task === $("task").value).map(pairOf));
  fill($("pair"), pairs);
  if (pairs.includes(kept)) $("pair").value = kept;
}

function draw() {
  const own = current(), filtering = $("filter").value.trim() !== "";
  const found = own.filter(wanted);
  $("found").textContent = filtering ? `${found.length} of ${own.length} targets` : `${own.length} targets`;
  const metric = own.length ? (DATA.metrics[own[0].metric] || own[0].metric) : "";
  const named = filtering && found.length <= NAMED;
  const trace = (points, x, y) => ({
    type: own.length > MANY ? "scattergl" : "scatter",
    mode: named ? "markers+text" : "markers",
    x: points.map(x), y: points.map(y),
    customdata: points.map(row => row.target),
    text: points.map(row => wanted(row) && named ? escaped(row.target) : ""),
    textposition: "top center",
    hovertext: points.map(row => `<b>${escaped(row.target)}</b><br>${escaped(row.baseline)} ${shown(row.baseline_mean)}<br>` +
      `${escaped(row.extractor)} ${shown(row.extractor_mean)}<br>difference ${shown(row.delta)}` +
      (row.ci_low === null ? "<br>not tested" : ` (${shown(row.ci_low)} to ${shown(row.ci_high)})<br>q ${shown(row.q_bh)}`)),
    hoverinfo: "text",
    marker: {
      size: points.map(row => row.target === state.target ? 13 : 8),
      symbol: points.map(row => row.q_bh !== null && row.q_bh <= DATA.alpha ? "circle" : "circle-open"),
      color: points.map(row => row.q_bh === null ? GREY : BLUE),
      opacity: points.map(row => wanted(row) ? 0.9 : own.length > MANY ? 0.03 : 0.12),
    },
  });
  const layout = (xtitle, ytitle, shapes) => ({
    margin: { l: 55, r: 10, t: 32, b: 45 }, hovermode: "closest", showlegend: false, shapes,
    font: { family: "system-ui, sans-serif", size: 12 },
    xaxis: { title: { text: xtitle }, zeroline: false }, yaxis: { title: { text: ytitle }, zeroline: false },
  });
  // Named one by one, so that no button of a later version sends data anywhere.
  const options = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  const scored = own.filter(row => row.baseline_mean !== null && row.extractor_mean !== null);
  const all = scored.flatMap(row => [row.baseline_mean, row.extractor_mean]);
  const low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  const line = (x0, y0, x1, y1) => ({ type: "line", layer: "below", x0, y0, x1, y1, line: { color: "#999", width: 1 } });
  const [first = { baseline: "", extractor: "" }] = own;
  Plotly.react("scatter", [trace(scored, row => row.baseline_mean, row => row.extractor_mean)],
    layout(`${metric}, ${first.baseline}`, `${metric}, ${first.extractor}`, all.length ? [line(low, low, high, high)] : []), options);
  const tested = own.filter(row => row.p_corrected !== null);
  const height = tested.reduce((a, row) => Math.max(a, -Math.log10(Math.max(row.p_corrected, 1e-300))), 1);
  Plotly.react("volcano", [trace(tested, row => row.delta, row => -Math.log10(Math.max(row.p_corrected, 1e-300)))],
    layout(`difference in ${metric}`, "−log10 p", [line(0, 0, 0, height)]), options);
  for (const id of ["scatter", "volcano"]) {
    $(id).removeAllListeners("plotly_click");
    $(id).on("plotly_click", event => choose(event.points[0].customdata));
  }
}

function list() {
  $("comparisons").tHead.rows[0].replaceChildren(...COLUMNS.map(([name, title]) => {
    const heading = make("th", title || name, { className: NUMBERS.has(name) ? "number" : "", onclick: () => {
      state.down = state.sort === name ? !state.down : false;
      state.sort = name;
      list();
    } });
    if (state.sort === name) heading.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    return heading;
  }));
  const found = rows.filter(wanted), sign = state.down ? -1 : 1, by = state.sort;
  found.sort((a, b) => {
    if (a[by] === null || b[by] === null) return (a[by] === null) - (b[by] === null); // missing last
    return sign * (typeof a[by] === "number" ? a[by] - b[by] : a[by].localeCompare(b[by], "en", { numeric: true }));
  });
  $("comparisons").tBodies[0].replaceChildren(...found.slice(0, MOST_SHOWN).map(row => {
    const line = make("tr", "", { className: row.target === state.target ? "here" : "" });
    line.append(...COLUMNS.map(([name]) => {
      const number = NUMBERS.has(name);
      const cell = make("td", number ? "" : row[name], { className: number ? "number" : "name" });
      if (number) cell.textContent = name === "n" ? row[name] : shown(row[name]);
      if (name === "target") cell.replaceChildren(link(row.target, () => {
        $("task").value = row.task;
        choosePairs();
        $("pair").value = pairOf(row);
        choose(row.target);
      }));
      return cell;
    }));
    return line;
  }));
  const left = DATA.left_out ? ` ${DATA.left_out.toLocaleString("en")} more, of a larger q, are in tables/comparison.tsv.` : "";
  $("shown").textContent = `${Math.min(MOST_SHOWN, found.length)} of ${found.length.toLocaleString("en")} rows are shown.${left}`;
}

function link(text, act) {
  return make("button", text, { className: "link", type: "button", onclick: act });
}

function choose(target) {
  state.target = target;
  const task = $("task").value, slides = Object.keys(DATA.slides);
  const parts = [make("h3", `${target} (${task})`)];
  for (const [ofTask, extractor, name, verdict, sentence] of DATA.answers) {
    if (ofTask === task && name === target) {
      const said = make("p", "");
      said.append(make("span", verdict, { className: `verdict ${verdict.split(":")[0].replace(" ", "-")}` }), `${extractor}: ${sentence}`);
      parts.push(said);
    }
  }
  const seen = (DATA.slides_of[task] || {})[target] || [];
  if (seen.length) {
    for (const reason of unique(seen.map(([why]) => why))) {
      const where = make("p", `${reason}: `);
      seen.filter(([why]) => why === reason).forEach(([, number], i) =>
        where.append(i ? ", " : "", link(slides[number], () => openSlide(slides[number], task, target))));
      parts.push(where);
    }
  }
  $("chosen").replaceChildren(...parts);
  draw();
  list();
}

// A page on a disk may load a script, but not fetch a file: each slide's script calls showSlide.
function openSlide(name, task, target) {
  state.wish = { task, target };
  $("slide").value = name;
  load();
}

function load() {
  const name = $("slide").value;
  if (DATA.pictures[name]) return show(name);
  $("note").textContent = "loading …";
  const script = make("script", "", { src: `${DATA.folder}/${encodeURIComponent(name)}.js` });
  script.onerror = () => { $("note").textContent = `${DATA.folder}/${name}.js is not there: keep the folder beside this page.`; };
  script.onload = () => script.remove();
  document.head.append(script);
}

function showSlide(name, pictures) {
  DATA.pictures[name] = pictures;
  if ($("slide").value === name) show(name);
}

function show(name) {
  const { picture, layers, note, width_mm } = DATA.pictures[name], wish = state.wish || {};
  $("note").textContent = `patient ${DATA.slides[name]}${picture ? `, ${width_mm} mm wide` : ""}. ${note}`;
  $("stack").replaceChildren(...(picture ? [make("img", "", { src: picture, alt: name })] : []));
  if (wish.target && picture) $("stack").firstChild.onload = () => $("slides").scrollIntoView();
  $("layers").replaceChildren();
  let group = "", seen = false;
  for (const layer of layers) {
    if (layer.group !== group) $("layers").append(make("p", group = layer.group));
    const image = make("img", "", { src: layer.picture, alt: layer.name });
    const box = make("input", "", { type: "checkbox", name: layer.name });
    // Asked for by a link: the last extractor's map of the target; else what was left out, and why.
    const asked = layer.target !== undefined && layer.target === wish.target && layer.task === wish.task;
    box.checked = wish.target ? asked && !seen : !layer.target && layer.name !== "kept";
    seen = seen || asked;
    image.hidden = !box.checked;
    box.onchange = () => { image.hidden = !box.checked; };
    const label = make("label", "");
    label.append(box, " ");
    if (layer.colour) {
      const patch = make("i", "");
      patch.style.background = layer.colour;
      label.append(patch);
    }
    label.append(`${layer.name} `, make("small", layer.note));
    $("layers").append(label);
    $("stack").append(image);
  }
  state.wish = undefined;
}

$("alpha").textContent = DATA.alpha;
fill($("task"), unique(rows.map(row => row.task)));
choosePairs();
draw();
list();
$("task").onchange = () => { choosePairs(); draw(); };
$("pair").onchange = draw;
let waiting;
$("filter").oninput = () => { // thousands of points are drawn again only when the typing pauses
  const act = () => { draw(); list(); };
  clearTimeout(waiting);
  if (length > MANY) waiting = setTimeout(act, 300);
  else act();
};
if ($("slide")) {
  fill($("slide"), Object.keys(DATA.slides));
  $("slide").onchange = load;
  if (Object.keys(DATA.slides).length) load();
}
