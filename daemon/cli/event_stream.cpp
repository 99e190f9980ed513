#include "cli/event_stream.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "cli/line_reader.hpp"
#include "flowrelay/client/unix_stream.hpp"

namespace flowrelay::cli {

namespace {

namespace errc = boost::system::errc;

constexpr std::size_t max_unanswered = 4096;
constexpr std::size_t max_output = 1 << 20;
constexpr std::size_t max_kept = 64 << 20;      // bytes of unanswered lines
constexpr std::size_t longest_line = 17 << 20;  // above the maximum of ingest.max_event_size
constexpr Milliseconds tick{100};

class StreamSender {
public:
    StreamSender(int input, const std::string& socket, Milliseconds wait, const StreamHooks& hooks)
        : input_(input), socket_(socket), wait_(wait), hooks_(hooks) {}

    StreamResult run();

private:
    /// A line of the input whose answer was not reported yet.
    struct Pending {
        std::uint64_t line;
        std::uint64_t end;
        std::string text;           ///< as sent; kept in case it must be sent again
        std::optional<Answer> own;  ///< the command's own answer: the line is not sent
    };

    bool done() const { return pending_.empty() && (stopped_ || (lines_.ended() && !held_)); }
    void take_lines();
    void take(const Line& line);
    void hand_out_own_answers();
    void hand_out(const Answer& answer, std::string_view text);
    void step();
    int timeout() const;
    void read_input();
    void write_output();
    void read_answers();
    void connection_closed();
    bool connect(MonoTime deadline);
    void send_again();
    void forget_first();
    void stop(ExitCode code, std::string problem);
    void give_up(ExitCode code, std::string problem);

    int input_;
    const std::string& socket_;
    Milliseconds wait_;
    const StreamHooks& hooks_;

    LineReader lines_{longest_line};
    LineReader answers_{longest_answer};
    std::optional<client::UnixStream> stream_;
    std::string output_;
    std::deque<Pending> pending_;
    std::size_t kept_ = 0;  ///< bytes of the texts in pending_
    MonoTime deadline_{};   ///< of the next progress, while lines are unanswered
    /// Deadline for the next answer after connections that ended without due answers.
    std::optional<MonoTime> again_until_;
    bool write_failed_ = false;  ///< on this connection: only read answers now
    bool held_ = false;          ///< reading was paused: the limits were reached
    bool stopped_ = false;       ///< take no more lines
    std::uint64_t done_events_ = 0;
    std::uint64_t done_bytes_ = 0;
    StreamResult result_;
};

/// Temporary refusals take precedence over permanent ones, which another attempt would meet again.
ExitCode worse(ExitCode a, ExitCode b) {
    for (const ExitCode code : {ExitCode::unavailable, ExitCode::try_later, ExitCode::not_permitted,
                                ExitCode::rejected}) {
        if (a == code || b == code) return code;
    }
    return ExitCode::ok;
}

/// Stops taking lines, and discards lines of which no byte was sent.
void StreamSender::stop(ExitCode code, std::string problem) {
    result_.exit_code = worse(result_.exit_code, code);
    result_.problem = std::move(problem);
    if (stopped_) return;
    stopped_ = true;
    const bool at_end = lines_.ended() && lines_.buffered() == 0;
    if (!at_end) result_.stopped_at = lines_.last_number() + 1;
    while (!output_.empty() && !pending_.empty() && pending_.back().text.size() <= output_.size()) {
        output_.resize(output_.size() - pending_.back().text.size());
        result_.stopped_at = pending_.back().line;
        kept_ -= pending_.back().text.size();
        pending_.pop_back();
    }
}

/// Like stop(), and gives up waiting for answers.
void StreamSender::give_up(ExitCode code, std::string problem) {
    stop(code, std::move(problem));
    result_.counts.unanswered += static_cast<std::uint64_t>(
        std::ranges::count_if(pending_, [](const Pending& p) { return !p.own; }));
    pending_.clear();
    kept_ = 0;
    output_.clear();
    stream_.reset();
}

void StreamSender::forget_first() {
    kept_ -= pending_.front().text.size();
    pending_.pop_front();
}

void StreamSender::hand_out(const Answer& answer, std::string_view text) {
    StreamCounts& counts = result_.counts;
    const ExitCode code = exit_code_of(answer);
    if (answer.accepted) {
        ++counts.accepted;
        if (answer.duplicate) ++counts.duplicates;
        if (answer.filtered) ++counts.filtered;
    } else {
        ++(code == ExitCode::rejected ? counts.rejected : counts.refused);
    }
    result_.exit_code = worse(result_.exit_code, code);
    const std::uint64_t line = pending_.front().line;
    ++done_events_;
    done_bytes_ = pending_.front().end;
    forget_first();
    hooks_.answered(line, answer, text);
    if (code == ExitCode::try_later && !stopped_) {
        stop(code, fmt::format("line {} can't be taken now, and what follows must not overtake it",
                               line));
    }
}

void StreamSender::hand_out_own_answers() {
    while (!pending_.empty() && pending_.front().own) {
        const Answer answer = *pending_.front().own;
        hand_out(answer, to_json(answer));
    }
}

void StreamSender::take(const Line& line) {
    Pending pending{line.number, line.end, {}, std::nullopt};
    const std::size_t first = line.text.find_first_not_of(" \t");
    if (line.too_long) {
        pending.own = local_rejection("too_large", "the line is over 17 MiB");
    } else if (line.text[first] != '{') {
        // The daemon would take a line that begins with a capital letter for HTTP.
        pending.own =
            local_rejection("invalid_json", "not a JSON object; each line must be one, {...}");
    }
    if (!pending.own) {
        if (!stream_ && !connect(MonoTime::clock::now() + wait_)) {
            result_.stopped_at = line.number;
            return;
        }
        const bool idle = output_.empty() && pending_.empty();
        if (idle) deadline_ = MonoTime::clock::now() + wait_;
        pending.text.assign(line.text).push_back('\n');
        output_ += pending.text;
        kept_ += pending.text.size();
    }
    pending_.push_back(std::move(pending));
}

/// Connects, waiting for a daemon that restarts. Returns false if it stopped.
bool StreamSender::connect(MonoTime deadline) {
    auto connected =
        client::UnixStream::connect(socket_, deadline, client::UnixStream::Absent::waits);
    if (!connected) {
        stop(exit_code_of(connected.error()), connected.error().message);
        return false;
    }
    stream_ = std::move(*connected);
    answers_ = LineReader(longest_answer);
    write_failed_ = false;
    return true;
}

void StreamSender::take_lines() {
    held_ = false;
    while (!stopped_) {
        if (pending_.size() >= max_unanswered || output_.size() >= max_output ||
            kept_ >= max_kept) {
            held_ = true;
            break;
        }
        const auto line = lines_.next();
        if (!line) break;
        take(*line);
        hand_out_own_answers();
    }
}

void StreamSender::read_input() {
    std::array<char, 65536> chunk;
    const ssize_t got = ::read(input_, chunk.data(), chunk.size());
    if (got > 0) {
        lines_.put({chunk.data(), static_cast<std::size_t>(got)});
    } else if (got == 0) {
        lines_.put_end();
    } else if (errno != EINTR && errno != EAGAIN) {
        const Error error = system_error(errno, "read", "the standard input");
        lines_.put_end();
        stop(ExitCode::try_later, error.message);
    }
}

void StreamSender::write_output() {
    const auto sent = stream_->write_some(output_);
    if (sent) {
        output_.erase(0, *sent);
        deadline_ = MonoTime::clock::now() + wait_;
    } else if (sent.error().code != errc::operation_would_block) {
        write_failed_ = true;  // answers from before the close can still be read
    }
}

void StreamSender::connection_closed() {
    const bool idle = pending_.empty() && output_.empty();
    if (idle) {
        stream_.reset();  // the next line connects again
    } else {
        send_again();
    }
}

/// Prepares to send unanswered lines again to the next daemon, since a daemon that is stopped
/// answers all lines that it has read. After a crash an event may be accepted twice, unless it has
/// a uuid.
void StreamSender::send_again() {
    stream_.reset();
    const MonoTime now = MonoTime::clock::now();
    if (!again_until_) again_until_ = now + wait_;
    output_.clear();
    if (stopped_ || now >= *again_until_) {
        give_up(ExitCode::try_later, "flowrelayd closed the connection");
        return;
    }
    ::poll(nullptr, 0, 10);  // a stopping daemon still has its socket
    if (!connect(*again_until_)) {
        give_up(result_.exit_code, std::move(result_.problem));
        return;
    }
    for (const Pending& pending : pending_) output_ += pending.text;
    deadline_ = now + wait_;
}

void StreamSender::read_answers() {
    std::array<char, 65536> chunk;
    const auto got = stream_->read_some(chunk);
    if (!got) {
        if (got.error().code != errc::operation_would_block) connection_closed();
        return;
    }
    if (*got == 0) {
        connection_closed();
        return;
    }
    deadline_ = MonoTime::clock::now() + wait_;
    again_until_.reset();
    answers_.put({chunk.data(), *got});
    while (const auto line = answers_.next()) {
        if (pending_.empty()) {
            give_up(ExitCode::try_later, "there are more answers than events");
            return;
        }
        hand_out(parse_answer(line->text), line->text);
        hand_out_own_answers();
    }
}

int StreamSender::timeout() const {
    int limit = -1;
    if (stream_ && (!pending_.empty() || !output_.empty()))
        limit = client::milliseconds_until(deadline_);
    const int tick_ms = static_cast<int>(tick.count());
    if (hooks_.ticks && (limit < 0 || limit > tick_ms)) limit = tick_ms;
    return limit;
}

/// Waits until reading or writing is possible, and does it.
void StreamSender::step() {
    const bool want_input = !stopped_ && !lines_.ended() && !held_;
    const bool want_output = stream_ && !output_.empty() && !write_failed_;
    std::array<pollfd, 2> waiting{
        {{want_input ? input_ : -1, POLLIN, 0}, {stream_ ? stream_->descriptor() : -1, POLLIN, 0}}};
    if (want_output) waiting[1].events |= POLLOUT;
    if (::poll(waiting.data(), waiting.size(), timeout()) < 0 && errno != EINTR) {
        give_up(ExitCode::try_later, system_error(errno, "wait for", "flowrelayd").message);
        return;
    }
    if (waiting[0].revents != 0) read_input();
    if (stream_ && (waiting[1].revents & POLLOUT) != 0) write_output();
    if (stream_ && (waiting[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_answers();
    if (stream_ && !pending_.empty() && MonoTime::clock::now() >= deadline_) {
        give_up(ExitCode::try_later,
                fmt::format("flowrelayd did not answer for {}", format_duration(wait_)));
    }
}

StreamResult StreamSender::run() {
    for (;;) {
        take_lines();
        hooks_.progress(done_events_, done_bytes_);
        if (done()) break;
        step();
    }
    return std::move(result_);
}

}  // namespace

StreamResult send_stream(int input, const std::string& socket, Milliseconds wait,
                         const StreamHooks& hooks) {
    return StreamSender(input, socket, wait, hooks).run();
}

}  // namespace flowrelay::cli
