// A picture in rows and columns: a cell is picked by click, or by arrow keys and Enter. What is picked goes to Python.
// A slider of ipywidgets leaves its handles without a name: they get that of its label, of two with a number.
function nameSliders(page) {
  for (const handle of page?.querySelectorAll("[role=slider]:not([aria-label])") ?? []) {
    const label = handle.closest(".jupyter-widgets")?.querySelector(".widget-label")?.textContent;
    if (!label) continue;
    const ends = handle.closest(".noUi-target").querySelectorAll("[role=slider]").length;
    handle.setAttribute("aria-label", ends > 1 ? `${label} ${1 + Number(handle.dataset.handle)}/${ends}` : label);
  }
}

function render({ model, el }) {
  const box = document.createElement("div"), image = document.createElement("img");
  const frame = document.createElement("span"), said = document.createElement("p");
  box.className = "explore-tiles";
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.dataset.lmSuppressShortcuts = "true"; // else JupyterLab takes the arrow keys
  said.setAttribute("aria-live", "polite");
  image.draggable = false;
  box.append(image, frame);
  el.append(box, said);
  let count = 0, address = "";

  const sizes = () => [model.get("rows"), model.get("columns")];
  const inset = () => model.get("inset"); // shares of the picture left, above, right and below the cells

  function show() {
    URL.revokeObjectURL(address);
    box.hidden = !model.get("value").byteLength; // nothing to show yet
    address = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
    if (!box.hidden) image.src = address;
  }
  function place() {
    const [rows, columns] = sizes(), [row, column] = model.get("cursor"), [left, top, right, bottom] = inset();
    const width = (1 - left - right) / columns, height = (1 - top - bottom) / rows;
    const parts = { left: left + column * width, top: top + row * height, width, height };
    for (const [name, share] of Object.entries(parts)) frame.style[name] = `${100 * share}%`;
    frame.hidden = rows * columns < 2;
    image.classList.toggle("letters", inset().some(Boolean)); // which stand around the cells
    said.textContent = model.get("names")[row * columns + column] ?? "";
  }
  function label() {
    box.setAttribute("aria-label", model.get("label"));
    image.alt = model.get("label");
    box.style.width = `${model.get("width")}px`;
  }
  function pick(row, column, kind) {
    if (kind !== "step") model.set("cursor", [row, column]);
    model.set("picked", { row, column, kind, count: ++count + Date.now() });
    model.save_changes();
  }
  box.addEventListener("click", (event) => {
    const [rows, columns] = sizes(), [left, top, right, bottom] = inset(), area = image.getBoundingClientRect();
    const across = ((event.clientX - area.left) / area.width - left) / (1 - left - right);
    const down = ((event.clientY - area.top) / area.height - top) / (1 - top - bottom);
    if (Math.min(across, down) >= 0 && Math.max(across, down) < 1)
      pick(Math.floor(down * rows), Math.floor(across * columns), "pick");
  });
  box.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const [row, column] = model.get("cursor"), [rows, columns] = sizes();
    if (!steps && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (!steps) return pick(row, column, "pick");
    const [down, across] = [row + steps[0], column + steps[1]];
    if (down >= 0 && across >= 0 && down < rows && across < columns) pick(down, across, "move");
    else pick(...steps, "step"); // beyond the border
  });
  model.on("change:value", show);
  model.on("change:label change:width", label);
  model.on("change:cursor change:names change:rows change:columns change:inset", place);
  show(), label(), place();
  const watch = new MutationObserver(() => el.isConnected && nameSliders(el.closest(".explore")));
  watch.observe(document.body, { childList: true, subtree: true });
  return () => (watch.disconnect(), URL.revokeObjectURL(address));
}
export default { render };
