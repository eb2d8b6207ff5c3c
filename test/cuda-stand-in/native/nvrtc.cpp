// Compilation of CUDA C++ by g++: the source, after shim.h, becomes a shared library whose bytes are the "cubin".
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "state.h"

extern char** environ;

asm(".pushsection .rodata\n"
    "standInShim: .incbin \"shim.h\"\n"
    "standInShimEnd: .byte 0\n"
    ".popsection");
extern "C" __attribute__((visibility("hidden"))) const char standInShim[];

namespace {

struct Program {
  std::string source, name, log, image;
};
Table<Program> programs;

std::string readAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct TemporaryFolder {
  char path[64];
  TemporaryFolder() {
    std::strcpy(path, "/tmp/stand-in-XXXXXX");
    if (!mkdtemp(path)) path[0] = 0;
  }
  ~TemporaryFolder() {
    for (const char* file : {"/shim.h", "/kernel.cpp", "/kernel.o", "/kernel.so", "/log"}) unlink((path + std::string(file)).c_str());
    rmdir(path);
  }
};

/** Runs a command with its output appended to `log`; whether it succeeded. */
bool runCommand(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child;
  int status = -1;
  const bool started = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  while (started && waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return started && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct FoundKernel { std::string name, threads; };

/** The kernels with C names: extern "C" __global__ void [__launch_bounds__(n)] name(. */
std::vector<FoundKernel> findKernels(const std::string& source) {
  std::vector<FoundKernel> kernels;
  const std::string keyword = "__global__", bounds = "__launch_bounds__";
  for (std::size_t at = source.find(keyword); at != std::string::npos; at = source.find(keyword, at + 1)) {
    const std::string before = source.substr(at < 16 ? 0 : at - 16, at < 16 ? at : 16);
    if (before.find("\"C\"") == std::string::npos) continue;
    std::string threads = "0";
    for (std::size_t i = at + keyword.size(); i < source.size();) {
      if (std::isspace(static_cast<unsigned char>(source[i]))) { ++i; continue; }
      std::size_t end = i;
      while (end < source.size() && (std::isalnum(static_cast<unsigned char>(source[end])) || source[end] == '_')) ++end;
      const std::string word = source.substr(i, end - i);
      if (word == bounds) {
        const std::size_t open = source.find('(', end), close = source.find_first_of(",)", open);
        threads = source.substr(open + 1, close - open - 1);
        i = source.find(')', open) + 1;
      } else if (word == "void" || word == "static") i = end;
      else {
        if (!word.empty()) kernels.push_back({word, threads});
        break;
      }
    }
  }
  return kernels;
}

/** `extern __shared__ T name[];` declares the block's dynamic shared memory, which g++ cannot be told. */
std::string declareDynamicShared(std::string source) {
  const std::string keyword = "extern __shared__";
  for (std::size_t at = source.find(keyword); at != std::string::npos; at = source.find(keyword, at)) {
    const std::size_t bracket = source.find('[', at), end = source.find(';', at);
    if (bracket == std::string::npos || bracket > end) break;
    const std::string declaration = source.substr(at + keyword.size(), bracket - at - keyword.size());
    const std::size_t name = declaration.find_last_of(" *&") + 1;
    const std::string type = declaration.substr(0, name);
    source.replace(at, end - at, type + "* const " + declaration.substr(name) + " = (" + type + "*)standInDynamicShared()");
  }
  return source;
}

struct Options {
  bool contract = true;
  unsigned int architecture = 0;
  std::vector<std::string> defines;
};

bool readOptions(int count, const char* const* given, Options& options, std::string& log) {
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

bool compile(Program& program, const Options& options) {
  const TemporaryFolder folder;
  const std::string base = folder.path;
  std::ofstream(base + "/shim.h") << standInShim;
  std::ofstream text(base + "/kernel.cpp");
  text << "#line 1 \"" << program.name << "\"\n" << declareDynamicShared(program.source) << "\n#line 1 \"stand-in\"\nstatic const StandInKernel standInKernels[] = {\n";
  const std::vector<FoundKernel> kernels = findKernels(program.source);
  for (const FoundKernel& kernel : kernels) text << "STAND_IN_KERNEL(" << kernel.name << ", " << kernel.threads << ")\n";
  text << "{0, 0, 0, 0, 0}};\nSTAND_IN_MODULE(" << kernels.size() << ")\n";
  text.close();

  const char* const compiler = std::getenv("STAND_IN_CXX");
  const std::string gxx = compiler && *compiler ? compiler : "g++";
  std::vector<std::string> command = {
    gxx, "-O1", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-gnu-unique", "-fno-strict-aliasing", "-fno-math-errno", "-nostdinc", "-fdiagnostics-color=never",
    "-Wall", "-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-maybe-uninitialized",
    "-fsanitize=kernel-address,alignment,bounds,shift-exponent,signed-integer-overflow,integer-divide-by-zero", "-fno-sanitize-recover=all",
    "--param", "asan-instrumentation-with-call-threshold=0", "--param", "asan-stack=0", "--param", "asan-globals=0",
    "-include", base + "/shim.h", "-c", base + "/kernel.cpp", "-o", base + "/kernel.o",
  };
  if (options.contract && __builtin_cpu_supports("fma")) command.insert(command.end(), {"-ffp-contract=fast", "-mfma", "-fexpensive-optimizations"});
  else command.push_back("-ffp-contract=off");
  command.insert(command.end(), options.defines.begin(), options.defines.end());
  const bool compiled = runCommand(command, base + "/log") &&
    runCommand({gxx, "-shared", "-nostdlib", "-Wl,-Bsymbolic", base + "/kernel.o", "-lm", "-lc", "-o", base + "/kernel.so"}, base + "/log");
  program.log = readAll(base + "/log");
  if (!compiled) return false;
  ImageHeader header = {{}, options.architecture, program.source.find("_sync") != std::string::npos || program.source.find("__sync") != std::string::npos};
  std::memcpy(header.magic, imageMagic, sizeof imageMagic);
  program.image = std::string(reinterpret_cast<const char*>(&header), sizeof header) + readAll(base + "/kernel.so");
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
  Options options;
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
