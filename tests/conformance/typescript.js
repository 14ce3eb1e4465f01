// For each line of JSON on the standard input, answer with one: the code that TypeScript's own compiler makes of a
// source, or what a program prints. The first argument is the compiler's file.
const fs = require("fs"), vm = require("vm"), ts = require(process.argv[2]);
const compilerOptions = { target: "ESNext", module: "ESNext", useDefineForClassFields: true };

function compiled(source) {
  try {
    const made = ts.transpileModule(source, { fileName: "a.ts", reportDiagnostics: true, compilerOptions });
    return { code: made.outputText, is_refused: made.diagnostics.length > 0 };
  } catch (fault) {
    return { code: "", is_refused: true }; // the compiler itself fails on some faulty sources (seen in 4.8.4)
  }
}

function printed(code) {
  const lines = [];
  const print = (...values) => lines.push(JSON.stringify(values));
  try {
    vm.runInNewContext(code, { print });
  } catch (error) {
    lines.push(`${error.name}: ${error.message}`);
  }
  return lines;
}

for (const line of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { compile, run } = JSON.parse(line);
  console.log(JSON.stringify(run === undefined ? compiled(compile) : printed(run)));
}
