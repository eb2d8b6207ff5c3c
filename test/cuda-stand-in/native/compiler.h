#pragma once
#include <string>
#include <vector>

struct CompileOptions {
  bool contract = true;
  unsigned int architecture = 0;
  std::vector<std::string> defines;
};

/** Compiles CUDA C++ to a shared library, unless that was done before; `log` has g++'s warnings and errors. Whether it compiles. */
bool compileKernels(const std::string& name, const std::string& source, const CompileOptions& options, std::string& library, std::string& log);
