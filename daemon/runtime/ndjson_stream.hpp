// The NDJSON protocol on one connection: one answer line for each input line, in order. Further
// lines are read while earlier ones wait for their commit (pipelining), up to a limit.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "flowrelay/runtime/ingest_session.hpp"

namespace flowrelay::runtime {

/// Pending handlers and writes keep it alive. run() waits for pending answers.
class NdjsonStream : public std::enable_shared_from_this<NdjsonStream> {
public:
    /// `socket`, `deadline` and `engine` must stay valid until run() returns.
    NdjsonStream(StreamSocket& socket, MonoTime& deadline, Engine& engine, IngestLimits limits,
                 core::Submitter by = {});

    /// Serves the connection. `first` is input that was already read. Returns when the producer is
    /// done or the connection is broken, and every line that was read is answered.
    boost::asio::awaitable<void> run(std::string first);

    /// Call it once a second. Reports a producer that does not read its answers.
    void watch(MonoTime now);

private:
    boost::asio::awaitable<void> read_lines();
    boost::asio::awaitable<void> take_lines();
    bool has_place() noexcept;
    std::size_t unread() const noexcept;
    boost::asio::awaitable<void> wait_for_place();
    void take_line(std::string_view line, Now now);
    void reject(core::Rejection rejection);
    void answer(std::uint64_t number, const Answer& answer);
    void flush_soon();
    void flush();
    std::string_view input() const noexcept;

    StreamSocket& socket_;
    MonoTime& deadline_;
    Engine& engine_;
    IngestLimits limits_;
    core::Submitter by_;
    IngestBudget::Share share_;
    IngestBudget::Share unread_;

    boost::beast::flat_buffer input_;
    bool skipping_ = false;  ///< inside a line that is over the limit

    std::deque<std::string> slots_;  ///< one for each line, from the oldest unanswered one
    std::uint64_t first_slot_ = 0;   ///< number of the first slot
    std::string ready_;              ///< answers to be written next
    std::string output_;             ///< answers being written
    bool writing_ = false;
    MonoTime write_began_{};
    bool told_unread_ = false;
    bool flush_posted_ = false;
    bool broken_ = false;
    bool ended_ = false;  ///< run() has returned; the socket may be gone
    boost::asio::steady_timer changed_;
};

}  // namespace flowrelay::runtime
