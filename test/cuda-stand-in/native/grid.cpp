// Runs grids: blocks one after another, the threads of a block one after another. Where threads wait for one another, each is a fiber.
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "api.h"
#include "checks.h"
#include "module.h"

namespace {

constexpr std::size_t fiberStack = 256 << 10;
constexpr unsigned int maxThreads = 1024;

enum class Waiting { no, block, warp, over };

struct Warp {
  unsigned int exists, arrived, votes, result, generation;
  unsigned long long values[32];
};

/** The one grid that runs now. */
struct Run {
  const GridLaunch* launch;
  void** arguments;
  jmp_buf escape;
  Fault fault;
  std::vector<char> dynamicShared;
  /** Last blocks and threads first: results must not depend on it. */
  bool reversed;
  jmp_buf scheduler;
  std::vector<Waiting> waiting;
  Warp warps[maxThreads / 32];
  unsigned int thread, threads, arrived, blockGeneration;
};
Run* run = nullptr;

/** Fibers stay for later blocks and launches; one that a fault cut short begins anew. */
struct Fiber {
  bool started;
  jmp_buf resume;
};
Fiber fibers[maxThreads];

char* stackOf(unsigned int thread) {
  static char* const stacks = static_cast<char*>(mmap(nullptr, fiberStack * maxThreads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  return stacks + thread * fiberStack;
}

void enterThread(unsigned int thread) {
  const Dim& block = run->launch->block;
  run->thread = thread;
  *run->launch->module->threadIdx = {thread % block.x, thread / block.x % block.y, thread / (block.x * block.y)};
}

// Contexts are switched by setjmp and longjmp, which unlike swapcontext make no system call; only the first entry needs a context.
void yieldThread(Waiting why) {
  run->waiting[run->thread] = why;
  if (_setjmp(fibers[run->thread].resume) == 0) _longjmp(run->scheduler, 1);
}

void fiberMain() {
  for (;;) {
    run->launch->kernel->call(run->arguments);
    yieldThread(Waiting::over);
  }
}

void startFiber(unsigned int thread) {
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = stackOf(thread);
  context.uc_stack.ss_size = fiberStack;
  context.uc_link = nullptr;
  makecontext(&context, fiberMain, 0);
  fibers[thread].started = true;
  setcontext(&context);
}

void resumeThread(unsigned int thread) {
  enterThread(thread);
  if (_setjmp(run->scheduler) != 0) return;
  if (fibers[thread].started) _longjmp(fibers[thread].resume, 1);
  startFiber(thread);
}

unsigned int ordered(unsigned int index, unsigned int count) { return run->reversed ? count - 1 - index : index; }

void runPlain() {
  for (unsigned int n = 0; n < run->threads; ++n) {
    enterThread(ordered(n, run->threads));
    run->launch->kernel->call(run->arguments);
  }
}

void runFibers() {
  run->waiting.assign(run->threads, Waiting::no);
  run->arrived = 0;
  for (unsigned int w = 0; w * 32 < run->threads; ++w) {
    const unsigned int lanes = run->threads - w * 32;
    run->warps[w] = {lanes >= 32 ? ~0u : (1u << lanes) - 1, 0, 0, 0, 0, {}};
  }
  for (unsigned int over = 0; over < run->threads;) {
    bool moved = false;
    for (unsigned int n = 0; n < run->threads; ++n) {
      const unsigned int thread = ordered(n, run->threads);
      if (run->waiting[thread] != Waiting::no) continue;
      moved = true;
      resumeThread(thread);
      over += run->waiting[thread] == Waiting::over;
    }
    if (!moved) {
      fail(CUDA_ERROR_LAUNCH_FAILED, "threads wait for others of their block or warp that never come: " + std::to_string(over) + " of " +
           std::to_string(run->threads) + " threads have ended without reaching the barrier");
    }
  }
}

void runBlock() {
  const ModuleRecord& module = *run->launch->module;
  if (module.sharedBegin) std::memset(module.sharedBegin, 0xff, module.sharedEnd - module.sharedBegin);
  run->dynamicShared.assign(run->launch->sharedBytes, static_cast<char>(0xff));
  run->launch->barriers ? runFibers() : runPlain();
}

}  // namespace

Fault runGrid(const GridLaunch& launch, void** arguments) {
  static Run storage;
  run = &storage;
  run->launch = &launch;
  run->arguments = arguments;
  run->fault = {0, ""};
  const char* const order = std::getenv("STAND_IN_ORDER");
  run->reversed = order && std::strcmp(order, "reversed") == 0;
  run->threads = launch.block.x * launch.block.y * launch.block.z;
  *launch.module->blockDim = launch.block;
  *launch.module->gridDim = launch.grid;
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  allowHostMemory({{here - (8 << 20), here}, {reinterpret_cast<std::uintptr_t>(stackOf(0)), reinterpret_cast<std::uintptr_t>(stackOf(maxThreads))},
    {reinterpret_cast<std::uintptr_t>(launch.module->imageBegin), reinterpret_cast<std::uintptr_t>(launch.module->imageEnd)}}, launch.device);
  if (_setjmp(run->escape) == 0) {
    for (unsigned int z = 0; z < launch.grid.z; ++z) for (unsigned int y = 0; y < launch.grid.y; ++y) for (unsigned int x = 0; x < launch.grid.x; ++x) {
      *launch.module->blockIdx = {ordered(x, launch.grid.x), ordered(y, launch.grid.y), ordered(z, launch.grid.z)};
      runBlock();
    }
  }
  Fault fault = run->fault;
  run = nullptr;
  return fault;
}

void fail(int code, const std::string& what) {
  const ModuleRecord& module = *run->launch->module;
  const auto at = [](const Dim& d) { return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")"; };
  run->fault = {code, std::string("kernel ") + run->launch->kernel->name + ": " + what + "; block " + at(*module.blockIdx) + ", thread " + at(*module.threadIdx)};
  for (Fiber& fiber : fibers) fiber.started = false;
  _longjmp(run->escape, 1);
}

bool inDynamicShared(std::uintptr_t address, std::size_t bytes) {
  const std::size_t offset = address - reinterpret_cast<std::uintptr_t>(run->dynamicShared.data());
  return offset < run->dynamicShared.size() && bytes <= run->dynamicShared.size() - offset;
}

API void* standInDynamicShared() { return run->dynamicShared.data(); }

API void standInTrap() { fail(CUDA_ERROR_LAUNCH_FAILED, "__trap()"); }

API void standInBarrier() {
  if (++run->arrived < run->threads) {
    yieldThread(Waiting::block);
    return;
  }
  run->arrived = 0;
  for (Waiting& waiting : run->waiting) if (waiting == Waiting::block) waiting = Waiting::no;
}

namespace {

/** Waits until all lanes of the mask are here. */
void meet(Warp& warp, unsigned int mask, unsigned int first) {
  const unsigned int bit = 1u << (run->thread & 31);
  if (!(mask & bit)) fail(CUDA_ERROR_LAUNCH_FAILED, "a thread takes part in a warp operation whose mask leaves it out");
  warp.arrived |= bit;
  if ((warp.arrived & mask & warp.exists) != (mask & warp.exists)) {
    yieldThread(Waiting::warp);
    return;
  }
  warp.arrived &= ~mask;
  for (unsigned int lane = 0; lane < 32 && first + lane < run->threads; ++lane) {
    if ((mask >> lane & 1) && run->waiting[first + lane] == Waiting::warp) run->waiting[first + lane] = Waiting::no;
  }
}

}  // namespace

API unsigned int standInVote(unsigned int mask, int predicate) {
  Warp& warp = run->warps[run->thread / 32];
  const unsigned int first = run->thread & ~31u;
  warp.values[run->thread & 31] = predicate != 0;
  meet(warp, mask, first);
  unsigned int votes = 0;
  for (unsigned int lane = 0; lane < 32; ++lane) votes |= (mask & warp.exists & (1u << lane)) && warp.values[lane] ? 1u << lane : 0u;
  meet(warp, mask, first);
  return votes;
}

API unsigned long long standInShuffle(unsigned int mask, unsigned long long value, int source) {
  Warp& warp = run->warps[run->thread / 32];
  const unsigned int first = run->thread & ~31u;
  warp.values[run->thread & 31] = value;
  meet(warp, mask, first);
  if (!(mask >> (source & 31) & 1)) fail(CUDA_ERROR_LAUNCH_FAILED, "a shuffle reads from a lane that its mask leaves out");
  const unsigned long long result = warp.values[source & 31];
  meet(warp, mask, first);
  return result;
}
