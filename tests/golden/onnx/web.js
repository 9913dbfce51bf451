// Runs an ONNX file in ONNX Runtime Web on the CPU (WebAssembly): node web.js MODULES MODEL.onnx IMAGES.rgb SIZE OUT.f32
// IMAGES: n * SIZE*SIZE*3 bytes RGB; OUT: float32, output0 as it is. Prints the package's version and the output's shape.
"use strict";
const fs = require("fs");
const path = require("path");

const [modules, model, images, size, out] = process.argv.slice(2);
const from = require("module").createRequire(path.resolve(modules, "x.js"));
const ort = from("onnxruntime-web");
const version = JSON.parse(fs.readFileSync(path.join(modules, "node_modules/onnxruntime-web/package.json"))).version;

async function main() {
    const pixels = fs.readFileSync(images), cells = size * size, n = pixels.length / (3 * cells);
    const planes = new Float32Array(n * 3 * cells);
    for (let i = 0; i < n; i++)
        for (let c = 0; c < 3; c++)
            for (let p = 0; p < cells; p++)
                planes[(i * 3 + c) * cells + p] = pixels[(i * cells + p) * 3 + c] / 255;
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    const { output0 } = await session.run({ images: new ort.Tensor("float32", planes, [n, 3, +size, +size]) });
    fs.writeFileSync(out, Buffer.from(output0.data.buffer, output0.data.byteOffset, output0.data.byteLength));
    console.log(JSON.stringify({ version, node: process.version, inputs: session.inputNames, outputs: session.outputNames, shape: output0.dims }));
}

main().catch((trouble) => {
    console.error(String(trouble));
    process.exit(1);
});
