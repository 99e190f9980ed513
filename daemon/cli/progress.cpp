#include "cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>

#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace {

constexpr Milliseconds before_first{1000};
constexpr Milliseconds between{100};
constexpr int bar_width = 20;

int terminal_width() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

}  // namespace

std::string render_progress(const ProgressState& state, int width) {
    const auto elapsed =
        static_cast<std::uint64_t>(std::max<std::int64_t>(state.elapsed.count(), 1));
    std::string text;
    if (state.total_bytes > 0) {
        const double done = std::min(
            1.0, static_cast<double>(state.bytes) / static_cast<double>(state.total_bytes));
        const auto filled = static_cast<std::size_t>(done * bar_width);
        text += fmt::format("[{:<{}}] {:3.0f}%  ", std::string(filled, '#'), bar_width, done * 100);
    }
    text +=
        fmt::format("{}, {}/s", app::counted(state.events, "event"), state.events * 1000 / elapsed);
    if (state.total_bytes > state.bytes && state.bytes > 0) {
        const double left = static_cast<double>(elapsed) *
                            static_cast<double>(state.total_bytes - state.bytes) /
                            static_cast<double>(state.bytes);
        const auto seconds = std::chrono::duration_cast<Seconds>(
            std::min(std::chrono::duration<double, std::milli>(left),
                     std::chrono::duration<double, std::milli>(max_duration)));
        text += fmt::format(", {} left", format_duration(seconds));
    }
    if (text.size() > static_cast<std::size_t>(std::max(width, 0))) {
        text.resize(static_cast<std::size_t>(std::max(width, 0)));
    }
    return text;
}

Progress::Progress(bool wanted, std::uint64_t total_bytes, MonoTime start)
    : active_(wanted && ::isatty(STDERR_FILENO) != 0),
      total_bytes_(total_bytes),
      start_(start),
      next_(start + before_first) {}

Progress::~Progress() {
    clear();
}

void Progress::update(std::uint64_t events, std::uint64_t bytes, MonoTime now) {
    if (!active_ || now < next_) return;
    next_ = now + between;
    const auto elapsed = std::chrono::duration_cast<Milliseconds>(now - start_);
    const ProgressState state{events, bytes, total_bytes_, elapsed};
    fmt::print(stderr, "\r{}\x1b[K", render_progress(state, terminal_width() - 1));
    drawn_ = true;
}

void Progress::clear() {
    if (!drawn_) return;
    fmt::print(stderr, "\r\x1b[K");
    drawn_ = false;
}

}  // namespace flowrelay::cli
