#pragma once
#include <cstdint>
#include <string>

struct Dim { unsigned int x, y, z; };

/** A kernel of a compiled module; shim.h writes these records. */
struct KernelRecord {
  const char* name;
  void (*call)(void** arguments);
  /** Bytes of each parameter. */
  const unsigned int* sizes;
  unsigned int parameters;
  /** Most threads of a block, by __launch_bounds__; 0 for no bound. */
  unsigned int threads;
};

struct ModuleRecord {
  const KernelRecord* kernels;
  unsigned int count;
  Dim *threadIdx, *blockIdx, *blockDim, *gridDim;
  char *sharedBegin, *sharedEnd, *imageBegin, *imageEnd;
};

/** What a "cubin" of the stand-in begins with; the bytes of a shared library follow. */
struct ImageHeader {
  char magic[16];
  /** The architecture it was compiled for: 90 for sm_90. */
  unsigned int architecture;
  /** Whether threads of a block wait for one another. */
  unsigned int barriers;
};
constexpr char imageMagic[16] = "stand-in cubin\n";

struct Fault { int code; std::string message; };

struct GridLaunch {
  const ModuleRecord* module;
  const KernelRecord* kernel;
  bool barriers;
  Dim grid, block;
  unsigned int sharedBytes;
  int device;
};

/** Runs every thread of every block, one after another; the fault that ended it, or code 0. */
Fault runGrid(const GridLaunch& launch, void** arguments);
