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
  /** Bytes that may be accessed: `size`, or 0 once freed. */
  std::size_t live;
  int device;
  /** Allocated in stream order. */
  bool ordered;
  /** Given back by the program; a stream-ordered free may still be queued. */
  bool returned;
  std::uint64_t number;
};

/** The "device" of page-locked host memory, which every device may access. */
constexpr int hostDevice = -1;

enum class Access { read, write };

/** A new block, filled with 0xff bytes (NaN as floats), or null when addresses run out. */
Block* allocateBlock(int device, std::size_t bytes, bool ordered);
/** Ends all access to a block and gives its pages back. */
void retireBlock(Block& block);
/** The block that starts at `address`, live or freed; null for none. */
Block* blockAt(std::uintptr_t address);
/** Whether `device` may access all these bytes. */
bool accessible(std::uintptr_t address, std::size_t bytes, int device);
bool inArena(std::uintptr_t address);
/** In words, what lies at an address that must not be accessed. */
std::string describeAccess(Access access, std::uintptr_t address, std::size_t bytes, int device);
/** Bytes of blocks that the program has not given back. */
std::size_t bytesInUse(int device);
/** Bytes that new blocks cannot have: those of all blocks not yet retired. */
std::size_t bytesHeld(int device);
/** Calls `visit` with every block of a device that the program has not given back. */
void forEachBlock(int device, void (*visit)(Block&, void*), void* data);
