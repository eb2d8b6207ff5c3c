import { html, type Html } from "./html.ts";

/** Grey values 0…255 as an <img>: a bitmap of 8 bits per pixel needs no compression and every browser shows it. */
export function picture(image: { width: number; height: number; pixels: readonly number[] }, alt: string): Html {
  return html`<img class="picture" width="${image.width}" height="${image.height}" alt="${alt}" src="data:image/bmp;base64,${base64(bitmap(image))}">`;
}

function bitmap({ width, height, pixels }: { width: number; height: number; pixels: readonly number[] }): Uint8Array {
  const headerBytes = 14 + 40;
  const paletteBytes = 256 * 4;
  const rowBytes = Math.ceil(width / 4) * 4;
  const bytes = new Uint8Array(headerBytes + paletteBytes + rowBytes * height);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, headerBytes + paletteBytes, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, width, true);
  view.setInt32(22, -height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 8, true);
  for (let grey = 0; grey < 256; grey++) bytes.fill(grey, headerBytes + grey * 4, headerBytes + grey * 4 + 3);
  pixels.forEach((value, i) => {
    bytes[headerBytes + paletteBytes + Math.floor(i / width) * rowBytes + (i % width)] = Math.max(0, Math.min(255, Math.round(value)));
  });
  return bytes;
}

const base64 = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
