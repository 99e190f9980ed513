#include "ndjson_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "answer.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

// Small for idle connections, of which there are many; larger while a producer sends much.
constexpr std::size_t min_read = 4 * 1024;
constexpr std::size_t max_read = 32 * 1024;
constexpr std::size_t max_unanswered = 4096;
constexpr Milliseconds unread_for = Seconds(60);  // until it is reported
constexpr std::size_t max_ready = 256 * 1024;     // bytes of unread answers
constexpr std::size_t usual_answer = 64;          // bytes

namespace {

void append_line(std::string& out, const Answer& answer) {
    append_answer(out, answer);
    out += '\n';
}

}  // namespace

NdjsonStream::NdjsonStream(StreamSocket& socket, MonoTime& deadline, Engine& engine,
                           IngestLimits limits, core::Submitter by)
    : socket_(socket),
      deadline_(deadline),
      engine_(engine),
      limits_(limits),
      by_(std::move(by)),
      share_(engine.unfinished()),
      unread_(engine.unread()),
      changed_(socket.get_executor(), asio::steady_timer::time_point::max()) {}

asio::awaitable<void> NdjsonStream::run(std::string first) {
    input_.commit(asio::buffer_copy(input_.prepare(first.size()), asio::buffer(first)));
    std::string().swap(first);
    co_await take_lines();
    co_await read_lines();
    // The last event may lack a line break; JSON itself shows whether it is complete.
    if (!broken_ && !skipping_ && input_.size() > 0) take_line(input(), engine_.clock().now());
    // Even if no one will read them, since pending answers refer to this object.
    while (!slots_.empty() || writing_ || (!broken_ && !ready_.empty())) {
        co_await changed_.async_wait(asio::as_tuple(asio::deferred));
    }
    ended_ = true;
}

asio::awaitable<void> NdjsonStream::read_lines() {
    std::size_t read_size = min_read;
    while (!broken_) {
        // A producer may pause between two events for ever, but not in the middle of one.
        const bool in_line = input_.size() > 0 || skipping_;
        deadline_ =
            in_line ? std::chrono::steady_clock::now() + limits_.stall_timeout : MonoTime::max();
        const auto [error, size] = co_await socket_.async_read_some(input_.prepare(read_size),
                                                                    asio::as_tuple(asio::deferred));
        deadline_ = MonoTime::max();
        input_.commit(size);
        if (error) co_return;
        read_size = size == read_size ? std::min(2 * read_size, max_read) : min_read;
        co_await take_lines();
        // A producer that has sent much may then be idle for days.
        if (input_.size() == 0 && input_.capacity() > 2 * max_read) input_.shrink_to_fit();
    }
}

std::string_view NdjsonStream::input() const noexcept {
    const auto bytes = input_.cdata();
    return {static_cast<const char*>(bytes.data()), bytes.size()};
}

asio::awaitable<void> NdjsonStream::take_lines() {
    std::size_t begin = 0;
    std::optional<unsigned> left;  // events left in the turn; the first event needs no turn
    Now now = engine_.clock().now();
    while (!broken_) {
        const std::size_t end = input().find('\n', begin);
        if (end == std::string_view::npos) break;
        if (!has_place() || !(left ? engine_.may_go_on(*left) : engine_.may_begin())) {
            co_await wait_for_place();
            left = Engine::events_of_turn;
            now = engine_.clock().now();
            continue;
        }
        if (skipping_) {
            skipping_ = false;
        } else {
            take_line(input().substr(begin, end - begin), now);
        }
        begin = end + 1;
        left = left ? *left - 1 : engine_.rest_of_turn();
    }
    input_.consume(begin);
    if (!skipping_ && input_.size() > limits_.max_event_size) {
        reject(too_large(limits_.max_event_size));
        skipping_ = true;
    } else if (!skipping_ && !share_.resize(input_.size())) {
        reject(too_much_unfinished());
        skipping_ = true;
    }
    if (skipping_) {
        input_.clear();
        if (!share_.resize(0)) broken_ = true;  // shrinking to 0 always succeeds
    }
}

/// Returns the bytes of unread answers, including an estimate for those still to come.
std::size_t NdjsonStream::unread() const noexcept {
    return ready_.size() + output_.size() + slots_.size() * usual_answer;
}

// If all producers together leave too much unread, only those with few unread answers continue.
bool NdjsonStream::has_place() noexcept {
    return slots_.size() < max_unanswered && ready_.size() < max_ready && unread_.resize(unread());
}

asio::awaitable<void> NdjsonStream::wait_for_place() {
    while (!broken_ && !has_place()) {
        co_await changed_.async_wait(asio::as_tuple(asio::deferred));
    }
    if (!broken_) co_await engine_.wait_for_turn();
}

void NdjsonStream::reject(core::Rejection rejection) {
    slots_.emplace_back();
    answer(first_slot_ + slots_.size() - 1, engine_.refuse(std::move(rejection), by_));
}

void NdjsonStream::take_line(std::string_view line, Now now) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) return;
    if (line.size() > limits_.max_event_size) {
        reject(too_large(limits_.max_event_size));
        return;
    }
    auto submission = core::Submission::parse(line);
    if (submission.has_error()) {
        reject(submission.error());
        return;
    }
    slots_.emplace_back();
    const std::uint64_t number = first_slot_ + slots_.size() - 1;
    engine_.submit(
        std::move(*submission), [this, number](const Answer& given) { answer(number, given); }, now,
        by_);
}

void NdjsonStream::answer(std::uint64_t number, const Answer& answer) {
    if (number != first_slot_) {
        append_line(slots_[number - first_slot_], answer);
        return;
    }
    append_line(ready_, answer);
    do {
        slots_.pop_front();
        ++first_slot_;
        if (!slots_.empty()) ready_ += slots_.front();
    } while (!slots_.empty() && !slots_.front().empty());
    flush_soon();
}

// Events that become durable together are answered with one write.
void NdjsonStream::flush_soon() {
    if (flush_posted_ || writing_) return;
    flush_posted_ = true;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
        self->flush_posted_ = false;
        self->flush();
    });
}

void NdjsonStream::watch(MonoTime now) {
    if (!writing_ || told_unread_ || now - write_began_ < unread_for) return;
    told_unread_ = true;
    engine_.note_unread(by_, output_.size() + ready_.size());
}

// Answers that become ready during a write are sent by the next one.
void NdjsonStream::flush() {
    if (writing_ || ended_) return;
    if (ready_.empty() || broken_) {
        if (output_.capacity() > 2 * max_read) std::string().swap(output_);
        if (ready_.capacity() > 2 * max_read) std::string().swap(ready_);
        static_cast<void>(unread_.resize(unread()));
        changed_.cancel();
        return;
    }
    output_.swap(ready_);
    ready_.clear();
    writing_ = true;
    write_began_ = engine_.clock().now().mono;
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                          self->writing_ = false;
                          self->output_.clear();
                          if (error) self->broken_ = true;
                          self->changed_.cancel();
                          self->flush();
                      });
}

}  // namespace flowrelay::runtime
