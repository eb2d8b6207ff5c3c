#include "memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>

namespace {

constexpr std::size_t granule = std::size_t{1} << granuleBits;
constexpr std::size_t arenaBytes = std::size_t{1} << 40;
constexpr std::size_t granules = arenaBytes >> granuleBits;

void* reserve(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::fprintf(stderr, "stand-in for CUDA: cannot reserve %zu bytes of addresses (ulimit -v, vm.overcommit_memory = 2)\n", bytes);
    std::abort();
  }
  return memory;
}

struct Arena {
  std::uintptr_t base;
  /** For each granule, 1 + the index of the block that it holds or that ends before it. */
  std::uint32_t* owner;
  std::size_t used = granule;
  std::deque<Block> blocks;
  std::map<int, std::size_t> held;

  Arena() {
    base = (reinterpret_cast<std::uintptr_t>(reserve(arenaBytes + granule)) + granule - 1) & ~(granule - 1);
    owner = static_cast<std::uint32_t*>(reserve(granules * sizeof *owner));
  }
};

Arena& arena() {
  static Arena* const instance = new Arena;
  return *instance;
}

Block* nearestBefore(std::uintptr_t address) {
  Arena& a = arena();
  const std::uint32_t n = a.owner[(address - a.base) >> granuleBits];
  return n == 0 ? nullptr : &a.blocks[n - 1];
}

std::string plural(std::size_t n, const char* unit) { return std::to_string(n) + " " + unit + (n == 1 ? "" : "s"); }

const char* gone(const Block& block) { return block.returned ? ", which is freed" : ", which is not in use"; }

std::string name(const Block& block) {
  return (block.device == hostDevice ? std::string("page-locked host memory") : "device " + std::to_string(block.device)) + ", block " +
         std::to_string(block.number) + " of " + plural(block.size, "byte");
}

}  // namespace

bool inArena(std::uintptr_t address) { return address - arena().base < arenaBytes; }

Block* allocateBlock(int device, std::size_t bytes, bool ordered, std::uintptr_t stream) {
  Arena& a = arena();
  const std::size_t taken = ((bytes + granule - 1) & ~(granule - 1)) + granule;
  if (taken < bytes || a.used + taken > arenaBytes) return nullptr;
  const std::uintptr_t start = a.base + a.used;
  a.blocks.push_back({start, bytes, bytes, device, ordered, stream, false, false, a.blocks.size() + 1});
  for (std::size_t g = 0; g < taken >> granuleBits; ++g) a.owner[(a.used >> granuleBits) + g] = static_cast<std::uint32_t>(a.blocks.size());
  a.used += taken;
  a.held[device] += bytes;
  std::memset(reinterpret_cast<void*>(start), 0xff, bytes);
  return &a.blocks.back();
}

void retireBlock(Block& block) {
  if (block.retired) return;
  arena().held[block.device] -= block.size;
  block.retired = true;
  block.live = 0;
  block.returned = true;
  madvise(reinterpret_cast<void*>(block.start), (block.size + granule - 1) & ~(granule - 1), MADV_DONTNEED);
}

void narrowBlock(Block& block, std::size_t bytes) {
  if (block.retired) return;
  block.live = bytes < block.size ? bytes : block.size;
  std::memset(reinterpret_cast<void*>(block.start), 0xff, block.live);
}

Block* blockAt(std::uintptr_t address) {
  if (!inArena(address)) return nullptr;
  Block* const block = nearestBefore(address);
  return block && block->start == address ? block : nullptr;
}

namespace {

bool within(std::uintptr_t address, std::size_t bytes, int device, std::size_t Block::*extent) {
  if (!inArena(address)) return false;
  const Block* const block = nearestBefore(address);
  if (!block) return false;
  const std::size_t offset = address - block->start, end = block->*extent;
  return offset < end && bytes <= end - offset && (block->device == device || block->device == hostDevice);
}

}  // namespace

bool allocated(std::uintptr_t address, std::size_t bytes, int device) {
  return within(address, bytes, device, &Block::size) && !nearestBefore(address)->returned;
}

bool accessible(std::uintptr_t address, std::size_t bytes, int device) { return within(address, bytes, device, &Block::live); }

Range liveRange(std::uintptr_t address) {
  const Block& block = *nearestBefore(address);
  return {block.start, block.start + block.live};
}

std::string describeAccess(Access access, std::uintptr_t address, std::size_t bytes, int device) {
  const std::string what = std::string(access == Access::read ? "read" : "write") + " of " + plural(bytes, "byte");
  if (address == 0) return what + " at a null pointer";
  if (!inArena(address)) return what + " at an address that is no device memory";
  const Arena& a = arena();
  const Block* const before = nearestBefore(address);
  const Block* const after = before ? (before->number < a.blocks.size() ? &a.blocks[before->number] : nullptr) : a.blocks.empty() ? nullptr : &a.blocks[0];
  if (before && address < before->start + before->size) {
    const std::string at = what + " at offset " + std::to_string(address - before->start) + " of " + name(*before);
    if (before->live == 0) return at + gone(*before);
    if (before->device != device && before->device != hostDevice) return at + ", by device " + std::to_string(device);
    return at + ", past the end of " + (before->live < before->size ? "the " + plural(before->live, "byte") + " of it that are in use" : "it");
  }
  const std::size_t past = before ? address - (before->start + before->size) : SIZE_MAX;
  const std::size_t ahead = after ? after->start - address : SIZE_MAX;
  if (past == SIZE_MAX && ahead == SIZE_MAX) return what + " at an address that no block has";
  return past <= ahead ? what + ", " + plural(past, "byte") + " past the end of " + name(*before) + (before->live == 0 ? gone(*before) : "")
                       : what + ", " + plural(ahead, "byte") + " before " + name(*after) + (after->live == 0 ? gone(*after) : "");
}

std::size_t bytesInUse(int device) {
  std::size_t total = 0;
  for (const Block& block : arena().blocks) total += block.device == device && !block.returned ? block.size : 0;
  return total;
}

std::size_t bytesHeld(int device) { return arena().held[device]; }

void forEachBlock(int device, void (*visit)(Block&, void*), void* data) {
  for (Block& block : arena().blocks) if (block.device == device && !block.returned) visit(block, data);
}
