// Adds the list of operations to the module that the AssemblyScript compiler has made.
import { Transform } from "assemblyscript/transform";

export default class extends Transform {
  afterCompile(module) {
    module.addCustomSection("wasmfleet.operations", new TextEncoder().encode("abi 1\nreverse\n"));
  }
}
