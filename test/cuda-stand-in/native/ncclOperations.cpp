// What NCCL's calls do when their turn comes, in the stand-in: sums in the order of the ranks.
#include <cstring>

#include "nccl.h"

namespace {

const char* const names[] = {"ncclAllReduce", "ncclBroadcast", "ncclSend", "ncclRecv"};
const std::size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};

class Running {
 public:
  Running(std::shared_ptr<Communicator> communicator, const Request& request) : communicator_(std::move(communicator)), request_(request) {
    communicator_->turns.push_back(turn_ = ++communicator_->lastTurn);
  }

  /** @returns whether it is done. What has failed is never done, unless it is aborted. */
  bool step() {
    Communicator& c = *communicator_;
    if (c.aborted) return true;
    if (c.error || c.turns.front() != turn_) return false;
    if (!begun_ && !begin()) return leave();
    for (int rank = 0; rank < c.size; ++rank) if (rank != c.rank) listen(rank);
    for (const bool awaited : awaited_) if (awaited) return false;
    if (c.error) return false;
    finish();
    return leave();
  }

 private:
  std::shared_ptr<Communicator> communicator_;
  Request request_;
  std::uint64_t turn_;
  bool begun_ = false;
  std::vector<bool> awaited_;
  std::vector<std::string> data_;

  bool leave() {
    communicator_->turns.pop_front();
    return true;
  }

  std::vector<Span> spans() const {
    std::vector<Span> spans;
    const Request& r = request_;
    const bool root = r.operation == Operation::broadcast && r.peer == communicator_->rank;
    if (r.operation == Operation::allReduce || r.operation == Operation::send || root) spans.push_back({Access::read, r.from, r.bytes(), "sendbuff"});
    if (r.operation != Operation::send) spans.push_back({Access::write, r.to, r.bytes(), "recvbuff"});
    return spans;
  }

  bool begin() {
    begun_ = true;
    Communicator& c = *communicator_;
    const Request& r = request_;
    if (!reachable(*c.context, names[static_cast<int>(r.operation)], spans())) return false;
    awaited_.assign(static_cast<std::size_t>(c.size), false);
    data_.resize(static_cast<std::size_t>(c.size));
    const auto say = [&](int rank) { c.links->all[rank].say(Frame::data, static_cast<std::uint32_t>(r.operation), reinterpret_cast<const void*>(r.from), r.bytes()); };
    switch (r.operation) {
      case Operation::allReduce:
        data_[c.rank].assign(reinterpret_cast<const char*>(r.from), r.bytes());
        for (int rank = 0; rank < c.size; ++rank) if (rank != c.rank) say(rank), awaited_[rank] = true;
        // Whoever looks too early must not find what was there.
        std::memset(reinterpret_cast<void*>(r.to), 0xff, r.bytes());
        break;
      case Operation::broadcast:
        if (c.rank != r.peer) awaited_[r.peer] = true;
        else for (int rank = 0; rank < c.size; ++rank) if (rank != c.rank) say(rank);
        break;
      case Operation::send:
        // Not done before it is received: NCCL need not have room for it either.
        say(r.peer), awaited_[r.peer] = true;
        break;
      case Operation::receive: awaited_[r.peer] = true; break;
    }
    return true;
  }

  void listen(int rank) {
    Communicator& c = *communicator_;
    Link& link = c.links->all[rank];
    link.move();
    FrameHeader header;
    if (!awaited_[rank]) return;
    if (!link.heard(header, data_[rank])) {
      if (link.closed) c.fail(ncclRemoteError, "the connection to rank " + std::to_string(rank) + " is closed");
      return;
    }
    const bool sending = request_.operation == Operation::send;
    const auto expected = static_cast<std::uint32_t>(request_.operation == Operation::receive ? Operation::send : request_.operation);
    if (header.frame == Frame::leaving) return c.fail(ncclRemoteError, "rank " + std::to_string(rank) + " has left");
    if (sending ? header.frame != Frame::received : header.frame != Frame::data || header.operation != expected || header.bytes != request_.bytes()) {
      return c.fail(ncclInvalidUsage, "rank " + std::to_string(c.rank) + " is at " + names[static_cast<int>(request_.operation)] + " of " + std::to_string(request_.bytes()) + " bytes, rank " + std::to_string(rank) +
        " at " + (header.frame == Frame::data ? std::string(names[header.operation]) + " of " + std::to_string(header.bytes) + " bytes" : "the end of ncclRecv"));
    }
    awaited_[rank] = false;
    if (request_.operation == Operation::receive) {
      link.say(Frame::received);
      link.move();
    }
  }

  void finish() {
    Communicator& c = *communicator_;
    const Request& r = request_;
    if (!reachable(*c.context, names[static_cast<int>(r.operation)], spans())) return;
    void* const to = reinterpret_cast<void*>(r.to);
    if (r.operation == Operation::receive || (r.operation == Operation::broadcast && c.rank != r.peer)) std::memcpy(to, data_[r.peer].data(), r.bytes());
    else if (r.operation == Operation::broadcast) std::memmove(to, reinterpret_cast<const void*>(r.from), r.bytes());
    else if (r.operation == Operation::allReduce) {
      auto* const sums = static_cast<float*>(to);
      std::memcpy(sums, data_[0].data(), r.bytes());
      for (int rank = 1; rank < c.size; ++rank) {
        const auto* const terms = reinterpret_cast<const float*>(data_[rank].data());
        for (std::size_t i = 0; i < r.count; ++i) sums[i] += terms[i];
      }
    }
  }
};

}  // namespace

std::size_t Request::bytes() const { return count * sizes[type]; }

void Communicator::fail(ncclResult_t result, const std::string& reason) {
  if (error) return;
  error = result;
  why = reason;
}

Step operationOf(const std::shared_ptr<Communicator>& communicator, const Request& request) {
  const auto running = std::make_shared<Running>(communicator, request);
  return [running] { return running->step(); };
}
