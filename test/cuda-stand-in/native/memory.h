#pragma once
#include <cstdint>
#include <string>

/**
 * Device memory of all pretend devices and page-locked host memory. Every block has addresses of its own that are never used again, with
 * unused addresses on either side: an address belongs to one block for ever, live or freed, or to none.
 */
struct Block {
  std::uintptr_t start;
  std::size_t size;
  /** Bytes that may be accessed: `size`, what the program says it uses of it, or 0 once freed. */
  std::size_t live;
  int device;
  /** Allocated in the order of a stream, this one. */
  bool ordered;
  std::uintptr_t stream;
  /** Given back by the program; a stream-ordered free may still be queued. */
  bool returned;
  bool retired;
  std::uint64_t number;
};

struct Range { std::uintptr_t begin, end; };

/** Blocks start at multiples of a granule (device addresses are aligned to 256 bytes at least) and a free granule follows each. */
constexpr std::size_t granuleBits = 16;

/** The "device" of page-locked host memory, which every device may access. */
constexpr int hostDevice = -1;

enum class Access { read, write };

/** A new block, filled with 0xff bytes (NaN as floats), or null when addresses run out. */
Block* allocateBlock(int device, std::size_t bytes, bool ordered, std::uintptr_t stream);
/** Ends all access to a block and gives its pages back. */
void retireBlock(Block& block);
/** The block that starts at `address`, live or freed; null for none. */
Block* blockAt(std::uintptr_t address);
/** Lets the first bytes of a block be accessed and no others, and makes them unwritten. */
void narrowBlock(Block& block, std::size_t bytes);
/** Whether all these bytes belong to one block that the program has not given back. */
bool allocated(std::uintptr_t address, std::size_t bytes, int device);
/** Whether `device` may access all these bytes now. */
bool accessible(std::uintptr_t address, std::size_t bytes, int device);
/** The bytes that may be accessed of the block that an accessible address lies in. */
Range liveRange(std::uintptr_t address);
bool inArena(std::uintptr_t address);
/** In words, what lies at an address that must not be accessed. */
std::string describeAccess(Access access, std::uintptr_t address, std::size_t bytes, int device);
/** Bytes of blocks that the program has not given back. */
std::size_t bytesInUse(int device);
/** Bytes that new blocks cannot have: those of all blocks not yet retired. */
std::size_t bytesHeld(int device);
/** Calls `visit` with every block of a device that the program has not given back. */
void forEachBlock(int device, void (*visit)(Block&, void*), void* data);
