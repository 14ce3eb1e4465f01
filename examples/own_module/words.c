// One typed operation, `wasmfleet.words.count(text: bytes) -> int`: the number of words between ASCII white space.
//
// clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o words.wasm words.c

#include <stdint.h>

__asm__(".section .custom_section.wasmfleet.operations,\"\",@\n"
        ".ascii \"abi 1\\ncount(text: bytes) -> int\\n\"\n");

#define EXPORT(name) __attribute__((export_name(name)))

extern uint8_t __heap_base;  // from the linker: the first address after the program's own data

static uint32_t big_endian(const uint8_t *at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

static uint32_t words(const uint8_t *text, uint32_t size) {
  uint32_t found = 0, inside = 0;
  for (uint32_t i = 0; i < size; i++) {
    uint32_t space = text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r');
    found += !inside && !space;
    inside = !space;
  }
  return found;
}

// Make room for the request, and for a reply after it, whose frames have at most twice as many bytes.
EXPORT("reserve") uint8_t *reserve(uint32_t size) {
  __builtin_wasm_memory_grow(0, (size / 65536 + 1) * 3);
  return &__heap_base;
}

// Answer each call of the request: a frame of a length (little-endian, as WebAssembly is) and [text] in MessagePack.
EXPORT("call") uint64_t call(uint32_t operation, uint32_t size) {
  const uint8_t *at = &__heap_base, *end = at + size;
  uint8_t *reply = &__heap_base + size, *out = reply;
  while (at < end) {
    uint32_t frame = *(const uint32_t *)at;
    const uint8_t *kind = at + 5;       // after the frame's length and 0x91, an array of one value
    int digits = 1 << (*kind - 0xC4);   // bytes begin with 0xC4, 0xC5 or 0xC6, and their length in 1, 2 or 4 bytes
    uint32_t count = words(kind + 1 + digits, big_endian(kind + 1, digits));
    const uint8_t answer[] = {7, 0, 0, 0, 0x92, 0, 0xCE, count >> 24, count >> 16, count >> 8, count};  // [0, count]
    for (uint32_t i = 0; i < sizeof answer; i++) *out++ = answer[i];
    at += 4 + frame;
  }
  return (uint64_t)(uint32_t)reply << 32 | (uint32_t)(out - reply);
}
