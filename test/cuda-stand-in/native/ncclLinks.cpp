// What NCCL's ranks talk over in the stand-in, between processes of one machine.
#include "ncclLinks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace {

struct Hello { std::uint64_t rank, self; };

/** In the abstract namespace: a name that ends with the process. */
socklen_t addressOf(const std::string& name, int rank, sockaddr_un& address) {
  const std::string full = name + "-" + std::to_string(rank);
  address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, full.data(), full.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + full.size());
}

bool exchange(int socket, const Hello& mine, Hello& theirs, const std::atomic<bool>& stopped) {
  if (send(socket, &mine, sizeof mine, MSG_NOSIGNAL) != sizeof mine) return false;
  pollfd waiting{socket, POLLIN, 0};
  while (!stopped) if (poll(&waiting, 1, 10) > 0) return recv(socket, &theirs, sizeof theirs, MSG_WAITALL) == sizeof theirs;
  return false;
}

}  // namespace

void Link::say(Frame frame, std::uint32_t operation, const void* data, std::size_t bytes) {
  const FrameHeader header{frame, operation, bytes};
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
  if (bytes) out.append(static_cast<const char*>(data), bytes);
}

void Link::move() {
  if (socket < 0 || closed) return;
  std::size_t sent = 0;
  while (sent < out.size()) {
    const ssize_t n = send(socket, out.data() + sent, out.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<std::size_t>(n);
    else if (errno == EINTR) continue;
    else if (errno == EAGAIN) break;
    else { closed = true; break; }
  }
  out.erase(0, sent);
  for (char chunk[1 << 16];;) {
    const ssize_t n = recv(socket, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0) in.append(chunk, static_cast<std::size_t>(n));
    else if (n < 0 && errno == EINTR) continue;
    else if (n < 0 && errno == EAGAIN) break;
    else { closed = true; break; }
  }
}

bool Link::heard(FrameHeader& header, std::string& data) {
  if (in.size() < sizeof header) return false;
  std::memcpy(&header, in.data(), sizeof header);
  if (in.size() < sizeof header + header.bytes) return false;
  data.assign(in, sizeof header, header.bytes);
  in.erase(0, sizeof header + header.bytes);
  return true;
}

Links::Links(std::string name, int rank, int size, std::uint64_t self) : all(static_cast<std::size_t>(size)) {
  connecting_ = std::thread([=] { connect(name, rank, self); });
}

Links::~Links() {
  stopped_ = true;
  connecting_.join();
  for (const Link& link : all) if (link.socket >= 0) close(link.socket);
}

/** Each rank connects to those before it, and is connected to by those after it. */
void Links::connect(const std::string& name, int rank, std::uint64_t self) {
  sockaddr_un address;
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const socklen_t length = addressOf(name, rank, address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0) listen(listener, static_cast<int>(all.size()));
  const auto meet = [&](int socket) {
    Hello theirs{};
    if (!exchange(socket, {static_cast<std::uint64_t>(rank), self}, theirs, stopped_) || theirs.rank >= all.size()) return close(socket), false;
    if (theirs.self == self) duplicate_ = static_cast<int>(theirs.rank);
    all[theirs.rank].socket = socket;
    return true;
  };
  for (int other = 0; other < rank && !stopped_;) {
    const int to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const socklen_t bytes = addressOf(name, other, address);
    if (::connect(to, reinterpret_cast<sockaddr*>(&address), bytes) == 0) other += meet(to);
    else {
      close(to);
      usleep(1000);
    }
  }
  for (std::size_t others = all.size() - 1 - static_cast<std::size_t>(rank); others > 0 && !stopped_;) {
    pollfd waiting{listener, POLLIN, 0};
    if (poll(&waiting, 1, 10) <= 0) continue;
    const int from = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (from >= 0) others -= meet(from);
  }
  close(listener);
  if (!stopped_) connected_ = true;
}
