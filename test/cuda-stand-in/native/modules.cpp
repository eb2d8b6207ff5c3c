// Modules, functions, launches.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "memory.h"
#include "state.h"

Module::~Module() { dlclose(library); }

namespace {

/** Makes the functions that compiled kernels call visible to them, however this library was loaded. */
void offerChecks() {
  Dl_info self;
  static const bool once = dladdr(reinterpret_cast<void*>(&offerChecks), &self) && dlopen(self.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  (void)once;
}

/** An image carries its own length in its ELF header: section headers come last. */
std::size_t elfBytes(const char* elf) {
  std::uint64_t offset;
  std::uint16_t entry, count;
  std::memcpy(&offset, elf + 0x28, 8);
  std::memcpy(&entry, elf + 0x3a, 2);
  std::memcpy(&count, elf + 0x3c, 2);
  return offset + std::size_t{entry} * count;
}

/** Through a file of its own: the loader takes libraries of one path for the same. */
void* openImage(const char* elf) {
  char path[] = "/tmp/stand-in-module-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) return nullptr;
  const std::size_t bytes = elfBytes(elf);
  const bool written = write(file, elf, bytes) == static_cast<ssize_t>(bytes);
  close(file);
  void* const library = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (!library) if (const char* const why = dlerror()) state().lastFault = std::string("cuModuleLoadData: ") + why;
  unlink(path);
  return library;
}

bool tooLarge(const Dim& grid, const Dim& block) {
  return grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0 || grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535 ||
    block.x > 1024 || block.y > 1024 || block.z > 64 || std::uint64_t{block.x} * block.y * block.z > 1024;
}

}  // namespace

API CUresult cuModuleLoadData(Handle* handle, const void* image) {
  WITH_CONTEXT(current);
  if (!handle || !image) return CUDA_ERROR_INVALID_VALUE;
  ImageHeader header;
  std::memcpy(&header, image, sizeof header);
  if (std::memcmp(header.magic, imageMagic, sizeof imageMagic) != 0) return CUDA_ERROR_INVALID_IMAGE;
  const unsigned int device = static_cast<unsigned int>(capability());
  if (header.architecture / 10 != device / 10 || header.architecture % 10 > device % 10) return CUDA_ERROR_NO_BINARY_FOR_GPU;
  offerChecks();
  void* const library = openImage(static_cast<const char*>(image) + sizeof header);
  if (!library) return CUDA_ERROR_INVALID_IMAGE;
  const auto* const record = static_cast<const ModuleRecord*>(dlsym(library, "standInModule"));
  *handle = keep(state().modules, std::shared_ptr<Module>(new Module{context, library, record, header.barriers != 0}));
  return CUDA_SUCCESS;
}

API CUresult cuModuleUnload(Handle handle) {
  WITH_CONTEXT(currentOutsideCapture);
  const auto module = find(state().modules, handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  drainAll(*context);
  for (auto entry = state().functions.begin(); entry != state().functions.end();) {
    entry = entry->second->module == module ? state().functions.erase(entry) : std::next(entry);
  }
  state().modules.erase(handle);
  return context->fault;
}

API CUresult cuModuleGetFunction(Handle* handle, Handle from, const char* name) {
  WITH_CONTEXT(current);
  const auto module = find(state().modules, from);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  for (unsigned int i = 0; i < module->record->count; ++i) {
    if (std::strcmp(module->record->kernels[i].name, name) != 0) continue;
    *handle = keep(state().functions, std::make_shared<Function>(Function{context, module, &module->record->kernels[i]}));
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_NOT_FOUND;
}

API CUresult cuFuncGetAttribute(int* value, int attribute, Handle handle) {
  WITH_CONTEXT(current);
  const auto function = find(state().functions, handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  const ModuleRecord& module = *function->module->record;
  switch (attribute) {
    case 0: *value = function->kernel->threads ? static_cast<int>(function->kernel->threads) : 1024; break;  // threads of a block
    case 1: *value = static_cast<int>(module.sharedEnd - module.sharedBegin); break;                        // bytes of shared memory
    case 2: case 3: *value = 0; break;                                                                      // constant and local memory
    case 4: *value = 32; break;                                                                             // registers
    case 5: case 6: *value = 90; break;                                                                     // versions of PTX and of the binary
    case 8: *value = 48 << 10; break;                                                                       // bytes of dynamic shared memory
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

API CUresult cuLaunchKernel(Handle handle, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
                            unsigned int sharedBytes, Handle stream, void** parameters, void** extra) {
  WITH_CONTEXT(current);
  const auto function = find(state().functions, handle);
  if (!function || function->context != context) return CUDA_ERROR_INVALID_HANDLE;
  if (extra) return CUDA_ERROR_NOT_SUPPORTED;
  const KernelRecord& kernel = *function->kernel;
  const Dim grid{gx, gy, gz}, block{bx, by, bz};
  if (tooLarge(grid, block) || sharedBytes > 48 << 10 || (kernel.parameters > 0 && !parameters)) return CUDA_ERROR_INVALID_VALUE;
  if (kernel.threads && bx * by * bz > kernel.threads) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;

  // Each value in a slot aligned for any type.
  struct alignas(16) Slot { char bytes[16]; };
  const auto values = std::make_shared<std::vector<Slot>>();
  std::vector<std::size_t> slots;
  for (unsigned int i = 0; i < kernel.parameters; ++i) {
    slots.push_back(values->size());
    values->resize(values->size() + (kernel.sizes[i] + sizeof(Slot) - 1) / sizeof(Slot));
    std::memcpy((*values)[slots[i]].bytes, parameters[i], kernel.sizes[i]);
  }
  const auto arguments = std::make_shared<std::vector<void*>>();
  for (const std::size_t slot : slots) arguments->push_back((*values)[slot].bytes);

  if (const auto capture = capturing(stream)) ++capture->launches;
  else ++state().launches;
  return submit(*context, stream, [=] {
    const GridLaunch launch{function->module->record, function->kernel, function->module->barriers, grid, block, sharedBytes, context->device};
    const Fault fault = runGrid(launch, arguments->data());
    (void)values;
    if (fault.code) raise(*context, fault);
  });
}
