import { devices, loadMnist } from "spikefold";
import { program } from "./program.mjs";

async function main() {
  const { images } = await loadMnist({ split: "test", limit: 3 });
  const names = (await devices()).map(({ name }) => name);
  console.log(JSON.stringify({ ...(await program({ threads: 2, runDirectory: process.argv[2] })), pixels: images.length, cpu: names.includes("cpu") }));
}
void main();
