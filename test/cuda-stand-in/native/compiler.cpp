// From CUDA C++ to a shared library: the source, after shim.h, goes through g++.
#include "compiler.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>

extern char** environ;

asm(".pushsection .rodata\n"
    "standInShim: .incbin \"shim.h\"\n"
    "standInShimEnd: .byte 0\n"
    ".popsection");
extern "C" __attribute__((visibility("hidden"))) const char standInShim[];

namespace {

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

/** What g++ is given, and nothing else decides what it makes. */
std::string translate(const std::string& name, const std::string& source) {
  std::ostringstream text;
  text << "#line 1 \"" << name << "\"\n" << declareDynamicShared(source) << "\n#line 1 \"stand-in\"\nstatic const StandInKernel standInKernels[] = {\n";
  const std::vector<FoundKernel> kernels = findKernels(source);
  for (const FoundKernel& kernel : kernels) text << "STAND_IN_KERNEL(" << kernel.name << ", " << kernel.threads << ")\n";
  text << "{0, 0, 0, 0, 0}};\nSTAND_IN_MODULE(" << kernels.size() << ")\n";
  return text.str();
}

std::vector<std::string> flagsFor(const CompileOptions& options) {
  std::vector<std::string> flags = {
    "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-gnu-unique", "-fno-strict-aliasing", "-fno-math-errno", "-nostdinc", "-fdiagnostics-color=never",
    "-Wall", "-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-maybe-uninitialized",
  };
  const char* const checks = std::getenv("STAND_IN_CHECKS");
  if (checks && std::strcmp(checks, "off") == 0) flags.push_back("-O2");
  else flags.insert(flags.end(), {
    "-O1", "-fsanitize=kernel-address,alignment,bounds,shift-exponent,signed-integer-overflow,integer-divide-by-zero", "-fno-sanitize-recover=all",
    "--param", "asan-instrumentation-with-call-threshold=0", "--param", "asan-stack=0", "--param", "asan-globals=0",
  });
  if (options.contract && __builtin_cpu_supports("fma")) flags.insert(flags.end(), {"-ffp-contract=fast", "-mfma", "-fexpensive-optimizations"});
  else flags.push_back("-ffp-contract=off");
  flags.insert(flags.end(), options.defines.begin(), options.defines.end());
  return flags;
}

/** Shared libraries that were built before, next to this library, whose name tells them from those of another stand-in. */
class Built {
 public:
  explicit Built(std::string key) : key_(std::move(key)) {
    Dl_info self;
    if (!dladdr(reinterpret_cast<void*>(&readAll), &self)) return;
    const std::string folder = std::string(self.dli_fname) + ".kernels";
    mkdir(folder.c_str(), 0777);
    char name[32];
    std::snprintf(name, sizeof name, "/%016zx", std::hash<std::string>()(key_));
    path_ = folder + name;
  }
  /** The library and g++'s warnings; false if it is not there. */
  bool find(std::string& library, std::string& log) const {
    std::ifstream file(path_, std::ios::binary);
    std::string key;
    return get(file, key) && key == key_ && get(file, library) && get(file, log);
  }
  void keep(const std::string& library, const std::string& log) const {
    const std::string writing = path_ + "." + std::to_string(getpid());
    std::ofstream file(writing, std::ios::binary);
    for (const std::string& part : {key_, library, log}) {
      const std::size_t bytes = part.size();
      file.write(reinterpret_cast<const char*>(&bytes), sizeof bytes).write(part.data(), static_cast<std::streamsize>(bytes));
    }
    file.close();
    if (!file || rename(writing.c_str(), path_.c_str()) != 0) unlink(writing.c_str());
  }

 private:
  static bool get(std::ifstream& file, std::string& part) {
    std::size_t bytes = 0;
    if (!file.read(reinterpret_cast<char*>(&bytes), sizeof bytes) || bytes > (std::size_t{1} << 30)) return false;
    part.resize(bytes);
    return static_cast<bool>(file.read(part.data(), static_cast<std::streamsize>(bytes)));
  }
  std::string key_, path_;
};

bool build(const std::string& source, const std::vector<std::string>& flags, const std::string& compiler, std::string& library, std::string& log) {
  const TemporaryFolder folder;
  const std::string base = folder.path;
  std::ofstream(base + "/shim.h") << standInShim;
  std::ofstream(base + "/kernel.cpp") << source;
  std::vector<std::string> command = {compiler, "-include", base + "/shim.h", "-c", base + "/kernel.cpp", "-o", base + "/kernel.o"};
  command.insert(command.end(), flags.begin(), flags.end());
  const bool built = runCommand(command, base + "/log") &&
    runCommand({compiler, "-shared", "-nostdlib", "-Wl,-Bsymbolic", base + "/kernel.o", "-lm", "-lc", "-o", base + "/kernel.so"}, base + "/log");
  log = readAll(base + "/log");
  if (built) library = readAll(base + "/kernel.so");
  return built;
}

}  // namespace

bool compileKernels(const std::string& name, const std::string& source, const CompileOptions& options, std::string& library, std::string& log) {
  const std::string text = translate(name, source);
  const std::vector<std::string> flags = flagsFor(options);
  const char* const given = std::getenv("STAND_IN_CXX");
  const std::string compiler = given && *given ? given : "g++";
  std::string key = compiler;
  for (const std::string& flag : flags) key += " " + flag;
  const Built built(key + "\n" + text);
  if (built.find(library, log)) return true;
  if (!build(text, flags, compiler, library, log)) return false;
  built.keep(library, log);
  return true;
}
