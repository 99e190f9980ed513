#include "ndjson_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <utility>

#include "flowrelay/runtime/answer.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

// Small for the many connections that idle, larger while a producer has much to say.
constexpr std::size_t min_read = 4 * 1024;
constexpr std::size_t max_read = 64 * 1024;
constexpr std::size_t max_unanswered = 4096;

NdjsonStream::NdjsonStream(StreamSocket& socket, MonoTime& deadline, Engine& engine,
                           IngestLimits limits, core::Submitter by)
    : socket_(socket),
      deadline_(deadline),
      engine_(engine),
      limits_(limits),
      by_(std::move(by)),
      changed_(socket.get_executor(), asio::steady_timer::time_point::max()) {}

asio::awaitable<void> NdjsonStream::run(std::string first) {
    input_ = std::move(first);
    co_await take_lines();
    co_await read_lines();
    // A last event without a line break: JSON says itself whether it is whole.
    if (!broken_ && !skipping_ && !input_.empty()) take_line(input_);
    while (!broken_ && (!slots_.empty() || writing_)) {
        co_await changed_.async_wait(asio::as_tuple(asio::deferred));
    }
    while (writing_) co_await changed_.async_wait(asio::as_tuple(asio::deferred));
    ended_ = true;
}

asio::awaitable<void> NdjsonStream::read_lines() {
    std::size_t read_size = min_read;
    while (!broken_) {
        // Who waits between two events may wait for ever; who stops in the middle may not.
        const bool in_line = !input_.empty() || skipping_;
        deadline_ =
            in_line ? std::chrono::steady_clock::now() + limits_.stall_timeout : MonoTime::max();
        const std::size_t kept = input_.size();
        input_.resize(kept + read_size);
        const auto [error, size] = co_await socket_.async_read_some(
            asio::buffer(input_.data() + kept, read_size), asio::as_tuple(asio::deferred));
        deadline_ = MonoTime::max();
        input_.resize(kept + size);
        if (error) co_return;
        read_size = size == read_size ? std::min(2 * read_size, max_read) : min_read;
        co_await take_lines();
    }
}

asio::awaitable<void> NdjsonStream::take_lines() {
    std::size_t begin = 0;
    while (!broken_) {
        const std::size_t end = input_.find('\n', begin);
        if (end == std::string::npos) break;
        if (skipping_) {
            skipping_ = false;
        } else {
            take_line(std::string_view(input_).substr(begin, end - begin));
        }
        begin = end + 1;
        if (slots_.size() >= max_unanswered || !engine_.has_room()) co_await wait_for_place();
    }
    input_.erase(0, begin);
    if (skipping_) {
        input_.clear();
    } else if (input_.size() > limits_.max_event_size) {
        reject_too_long();
        input_.clear();
        skipping_ = true;
    }
}

asio::awaitable<void> NdjsonStream::wait_for_place() {
    while (!broken_ && slots_.size() >= max_unanswered) {
        co_await changed_.async_wait(asio::as_tuple(asio::deferred));
    }
    if (!broken_) co_await engine_.wait_for_room();
}

void NdjsonStream::reject_too_long() {
    Answer too_long;
    too_long.rejection = core::Rejection{
        core::RejectCode::too_large,
        fmt::format("the event is over {} bytes (ingest.max_event_size)", limits_.max_event_size),
        {},
        {}};
    slots_.emplace_back();
    answer(first_slot_ + slots_.size() - 1, too_long);
}

void NdjsonStream::take_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) return;
    if (line.size() > limits_.max_event_size) {
        reject_too_long();
        return;
    }
    slots_.emplace_back();
    const std::uint64_t number = first_slot_ + slots_.size() - 1;
    auto submission = core::Submission::parse(line);
    if (submission.has_error()) {
        Answer rejected;
        rejected.rejection = submission.error();
        answer(number, rejected);
        return;
    }
    engine_.submit(
        std::move(*submission),
        [self = shared_from_this(), number](Answer given) { self->answer(number, given); }, by_);
}

void NdjsonStream::answer(std::uint64_t number, const Answer& answer) {
    std::string& text = slots_[number - first_slot_].text;
    append_answer(text, answer);
    text += '\n';
    if (number == first_slot_) flush();
}

// Writes all answers that are ready, in order; whatever becomes ready meanwhile goes next.
void NdjsonStream::flush() {
    if (writing_ || ended_) return;
    output_.clear();
    while (!slots_.empty() && !slots_.front().text.empty()) {
        output_ += slots_.front().text;
        slots_.pop_front();
        ++first_slot_;
    }
    if (output_.empty() || broken_) {
        changed_.cancel();
        return;
    }
    writing_ = true;
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                          self->writing_ = false;
                          if (error) self->broken_ = true;
                          self->changed_.cancel();
                          self->flush();
                      });
}

}  // namespace flowrelay::runtime
