#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

/** What one rank says to another: data of an operation, that data has been received, or that it leaves. */
enum class Frame : std::uint32_t { data = 1, received = 2, leaving = 3 };

struct FrameHeader {
  Frame frame;
  /** Which operation, for data. */
  std::uint32_t operation;
  std::uint64_t bytes;
};

/** The connection to another rank. Nothing here blocks. */
struct Link {
  int socket = -1;
  std::string out, in;
  bool closed = false;

  void say(Frame frame, std::uint32_t operation = 0, const void* data = nullptr, std::size_t bytes = 0);
  /** Sends and receives what it can. */
  void move();
  /** The next whole frame, if it is there. */
  bool heard(FrameHeader& header, std::string& data);
};

/** Connections of one rank to all others: Unix sockets whose names the communicator's id gives. They are made in the background. */
class Links {
 public:
  std::vector<Link> all;

  Links(std::string name, int rank, int size, std::uint64_t self);
  ~Links();
  bool connected() const { return connected_; }
  /** Two ranks on one device: their numbers. */
  bool duplicate(int& other) const { other = duplicate_; return duplicate_ >= 0; }

 private:
  std::thread connecting_;
  std::atomic<bool> stopped_{false}, connected_{false};
  std::atomic<int> duplicate_{-1};
  void connect(const std::string& name, int rank, std::uint64_t self);
};
