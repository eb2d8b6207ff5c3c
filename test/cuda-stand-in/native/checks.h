#pragma once
#include <cstdint>
#include <string>

#include "memory.h"

/** Host memory that the kernel about to run may use (its stack, its fibers' stacks, its constants), and the device that it runs on. */
void allowHostMemory(const Range (&ranges)[3], int device);

/** Ends the running kernel. */
[[noreturn]] void fail(int code, const std::string& what);

/** Whether these bytes are dynamic shared memory of the running block. */
bool inDynamicShared(std::uintptr_t address, std::size_t bytes);
