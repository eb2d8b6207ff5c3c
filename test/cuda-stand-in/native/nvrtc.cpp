// NVRTC's entry points: programs, options, and the shared library of a program as its "cubin".
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "compiler.h"
#include "state.h"

namespace {

struct Program {
  std::string source, name, log, image;
};
Table<Program> programs;

bool readOptions(int count, const char* const* given, CompileOptions& options, std::string& log) {
  const std::string accepted[] = {"--std=c++17", "-std=c++17", "--device-as-default-execution-space", "-default-device", "--use_fast_math", "--extra-device-vectorization", "--restrict", "-lineinfo", "--generate-line-info"};
  for (int i = 0; i < count; ++i) {
    const std::string option = given[i];
    const std::string value = option.substr(option.find('=') == std::string::npos ? option.size() : option.find('=') + 1);
    if (option.rfind("--gpu-architecture=", 0) == 0 || option.rfind("-arch=", 0) == 0) {
      if (value.rfind("sm_", 0) == 0) options.architecture = static_cast<unsigned int>(std::atoi(value.c_str() + 3));
      else if (value.rfind("compute_", 0) != 0) return log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n", false;
    } else if (option.rfind("--fmad=", 0) == 0 || option.rfind("-fmad=", 0) == 0) options.contract = value == "true";
    else if (option.rfind("-D", 0) == 0) options.defines.push_back(option);
    else if (option.rfind("--maxrregcount=", 0) != 0 && std::find(std::begin(accepted), std::end(accepted), option) == std::end(accepted)) {
      return log = "nvrtc: error: unrecognized option " + option + " found\n", false;
    }
  }
  return true;
}

bool compile(Program& program, const CompileOptions& options) {
  std::string library;
  if (!compileKernels(program.name, program.source, options, library, program.log)) return false;
  ImageHeader header = {{}, options.architecture, program.source.find("_sync") != std::string::npos || program.source.find("__sync") != std::string::npos};
  std::memcpy(header.magic, imageMagic, sizeof imageMagic);
  program.image = std::string(reinterpret_cast<const char*>(&header), sizeof header) + library;
  return true;
}

std::shared_ptr<Program> programOf(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  return find(programs, handle);
}

}  // namespace

API nvrtcResult nvrtcVersion(int* major, int* minor) {
  const int version = static_cast<int>(setting("STAND_IN_NVRTC_VERSION", 13000));
  *major = version / 1000;
  *minor = version % 1000 / 10;
  return NVRTC_SUCCESS;
}

namespace { constexpr int architectures[] = {75, 80, 86, 89, 90, 100, 120}; }

API nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  *count = sizeof architectures / sizeof *architectures;
  return NVRTC_SUCCESS;
}

API nvrtcResult nvrtcGetSupportedArchs(int* found) {
  std::memcpy(found, architectures, sizeof architectures);
  return NVRTC_SUCCESS;
}

API nvrtcResult nvrtcCreateProgram(Handle* handle, const char* source, const char* name, int headers, const char* const*, const char* const*) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!handle || !source) return NVRTC_ERROR_INVALID_INPUT;
  if (headers != 0) return NVRTC_ERROR_PROGRAM_CREATION_FAILURE;
  *handle = keep(programs, std::make_shared<Program>(Program{source, name && *name ? name : "default_program", "", ""}));
  return NVRTC_SUCCESS;
}

API nvrtcResult nvrtcCompileProgram(Handle handle, int count, const char* const* given) {
  const auto program = programOf(handle);
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  CompileOptions options;
  if (!readOptions(count, given, options, program->log)) return NVRTC_ERROR_INVALID_OPTION;
  return compile(*program, options) ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

API nvrtcResult nvrtcGetCUBINSize(Handle handle, std::size_t* bytes) {
  const auto program = programOf(handle);
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  *bytes = program->image.size();
  return NVRTC_SUCCESS;
}

API nvrtcResult nvrtcGetCUBIN(Handle handle, char* image) {
  const auto program = programOf(handle);
  if (!program || program->image.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  std::memcpy(image, program->image.data(), program->image.size());
  return NVRTC_SUCCESS;
}

/** PTX is never needed here: the architecture is one of those above. */
API nvrtcResult nvrtcGetPTXSize(Handle, std::size_t*) { return NVRTC_ERROR_INVALID_PROGRAM; }

API nvrtcResult nvrtcGetPTX(Handle, char*) { return NVRTC_ERROR_INVALID_PROGRAM; }

API nvrtcResult nvrtcGetProgramLogSize(Handle handle, std::size_t* bytes) {
  const auto program = programOf(handle);
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}

API nvrtcResult nvrtcGetProgramLog(Handle handle, char* log) {
  const auto program = programOf(handle);
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  std::memcpy(log, program->log.c_str(), program->log.size() + 1);
  return NVRTC_SUCCESS;
}

API nvrtcResult nvrtcDestroyProgram(Handle* handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!handle || !programs.erase(*handle)) return NVRTC_ERROR_INVALID_PROGRAM;
  *handle = 0;
  return NVRTC_SUCCESS;
}

API const char* nvrtcGetErrorString(int error) {
  switch (error) {
#define X(symbol, code) case code: return #symbol;
    NVRTC_ERRORS(X)
#undef X
  }
  return "NVRTC_ERROR unknown";
}

/** Programs not destroyed, for the leak report. */
std::string unreturnedPrograms() {
  std::string lines;
  for (const auto& [handle, program] : programs) lines += "nvrtc: program " + program->name + "\n";
  return lines;
}
void forgetPrograms() { programs.clear(); }
