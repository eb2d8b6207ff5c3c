/**
 * Runs in the report's page: saves a figure as it is drawn, in the colours that are on. Texts, boxes and drawings become plain SVG in pixels, which
 * any program can open; a PNG is that SVG at twice the size.
 */
export const exportScript: string = `
{
  const NS = "http://www.w3.org/2000/svg";
  const DRAWN = ["fill", "stroke", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity"];
  const round = (value) => Math.round(value * 100) / 100;
  const opaque = (colour) => colour !== "transparent" && !/, 0[)]$/.test(colour);
  const pen = document.createElement("canvas").getContext("2d");

  const svgOf = (figure) => {
    const frame = figure.getBoundingClientRect();
    const x = (value) => round(value - frame.left);
    const y = (value) => round(value - frame.top);
    let clips = 0;
    const add = (parent, name, attributes, text) => {
      const element = parent.appendChild(document.createElementNS(NS, name));
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text !== undefined) element.textContent = text;
      return element;
    };
    const [width, height] = [round(frame.width), round(frame.height)];
    const svg = document.createElementNS(NS, "svg");
    for (const [key, value] of Object.entries({ xmlns: NS, width, height, viewBox: "0 0 " + width + " " + height })) svg.setAttribute(key, value);

    const box = ({ left, top, width, height }, look) => {
      const line = parseFloat(look.borderTopWidth) > 0 && look.borderTopStyle !== "none" && opaque(look.borderTopColor);
      const border = line && parseFloat(look.borderLeftWidth) > 0;
      if (line && !border) add(svg, "path", { d: "M" + x(left) + " " + y(top) + "h" + round(width), stroke: look.borderTopColor, "stroke-width": parseFloat(look.borderTopWidth), ...(look.borderTopStyle === "dashed" ? { "stroke-dasharray": "4 4" } : {}) });
      if (!opaque(look.backgroundColor) && !border) return;
      add(svg, "rect", {
        x: x(left), y: y(top), width: round(width), height: round(height), rx: Math.min(round(parseFloat(look.borderTopLeftRadius) || 0), 12),
        fill: opaque(look.backgroundColor) ? look.backgroundColor : "none", ...(border ? { stroke: look.borderTopColor } : {}),
      });
    };
    const texts = (node, element, look) => {
      const content = element.scrollWidth > element.clientWidth + 1 && look.overflowX === "hidden"
        ? node.data.slice(0, Math.max(1, Math.floor(node.data.length * element.clientWidth / element.scrollWidth) - 1)) + "\\u2026" : node.data;
      const lines = [];
      const range = document.createRange();
      for (const { 0: word, index } of node.data.matchAll(/[^ \\n]+/g)) {
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        const at = range.getBoundingClientRect();
        const last = lines[lines.length - 1];
        if (last && Math.abs(last.at.top - at.top) < 2) last.words.push(word);
        else lines.push({ at, words: [word] });
      }
      pen.font = look.fontWeight + " " + look.fontSize + " " + look.fontFamily;
      const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = pen.measureText("x");
      const font = { "font-family": look.fontFamily, "font-size": look.fontSize, "font-weight": look.fontWeight, fill: look.color };
      if (look.writingMode !== "horizontal-tb") {
        const { left, top, width, height } = element.getBoundingClientRect();
        const [cx, cy] = [x(left + width / 2), y(top + height / 2)];
        add(svg, "text", { ...font, "text-anchor": "middle", x: cx, y: round(cy + (up - down) / 2), transform: "rotate(-90 " + cx + " " + cy + ")" }, content.trim());
        return;
      }
      lines.forEach(({ at, words }) =>
        add(svg, "text", { ...font, x: x(at.left), y: y(at.top + at.height * up / (up + down)) }, content === node.data ? words.join(" ") : content));
    };
    const drawing = (source) => {
      const { left, top, width, height } = source.getBoundingClientRect();
      const { width: unitsX, height: unitsY } = source.viewBox.baseVal;
      const [scaleX, scaleY] = [width / unitsX, height / unitsY];
      let clipped;
      for (const path of source.querySelectorAll("path")) {
        const look = getComputedStyle(path);
        let parent = svg;
        if (path.hasAttribute("clip-path")) {
          if (!clipped) {
            clipped = "clip-" + ++clips;
            add(add(svg, "clipPath", { id: clipped }), "rect", { x: x(left), y: y(top), width: round(width), height: round(height) });
          }
          parent = add(svg, "g", { "clip-path": "url(#" + clipped + ")" });
        }
        const d = path.getAttribute("d").replace(/([MLHVhvz])([^MLHVhvz]*)/g, (_, command, numbers) =>
          command + numbers.trim().split(/[ ,]+/).filter(Boolean).map((number, i) => {
            const across = command === "H" || command === "h" || ("ML".includes(command) && i % 2 === 0);
            const moved = command === command.toLowerCase() ? 0 : across ? x(left) : y(top);
            return round(number * (across ? scaleX : scaleY) + moved);
          }).join(" "));
        if (!d) continue;
        add(parent, "path", {
          d, ...Object.fromEntries(DRAWN.map((name) => [name, look.getPropertyValue(name)])),
          "stroke-width": round(parseFloat(look.strokeWidth) * (look.vectorEffect === "none" ? scaleY : 1)),
        });
      }
    };
    const pixels = (image) => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      canvas.getContext("2d").drawImage(image, 0, 0);
      return canvas.toDataURL("image/png");
    };
    const paint = (element) => {
      if (element.matches(".save, .crosshair, .tip, .unseen, [hidden]")) return;
      const look = getComputedStyle(element);
      if (look.display === "none") return;
      if (element.localName === "svg") return drawing(element);
      const at = element.getBoundingClientRect();
      if (element.localName === "img") return void add(svg, "image", { x: x(at.left), y: y(at.top), width: round(at.width), height: round(at.height), style: "image-rendering: pixelated", href: pixels(element) });
      box(at, look);
      for (const child of element.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) texts(child, element, look);
        else if (child.nodeType === Node.ELEMENT_NODE) paint(child);
      }
    };
    paint(figure);
    return { text: new XMLSerializer().serializeToString(svg), width, height };
  };

  const pngOf = async ({ text, width, height }) => {
    const image = new Image();
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * width, 2 * height];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  };

  for (const button of document.querySelectorAll("[data-save]")) button.addEventListener("click", async () => {
    const figure = button.closest("[data-figure]");
    const picture = svgOf(figure);
    const type = button.dataset.save;
    saveFile(figure.dataset.figure + "." + type, type === "svg" ? new Blob([picture.text], { type: "image/svg+xml" }) : await pngOf(picture));
  });
}
`;
