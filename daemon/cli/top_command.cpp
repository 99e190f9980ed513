// flowrelay top
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include "cli/commands.hpp"
#include "cli/flow_text.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/terminal.hpp"
#include "cli/top_text.hpp"

namespace flowrelay::cli {

namespace {

// Number of samples in the charts.
constexpr std::size_t max_seen = 60;

constexpr Milliseconds longest_refresh = Seconds(5);

struct TopOptions {
    std::string interval = "1s";
    unsigned count = 0;
};

volatile std::sig_atomic_t interrupted = 0;

/// Switches the terminal to its alternate screen, and to reading keys at once without echo. The
/// destructor undoes both.
class Screen {
public:
    Screen() : active_(::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) {
        if (!active_ || ::tcgetattr(STDIN_FILENO, &before_) != 0) {
            active_ = false;
            return;
        }
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        fmt::print("\x1b[?1049h\x1b[?25l");
        std::fflush(stdout);
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    ~Screen() {
        if (!active_) return;
        fmt::print("\x1b[?25h\x1b[?1049l");
        std::fflush(stdout);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }

    bool active() const noexcept { return active_; }

    void show(const std::string& picture) const {
        fmt::print("{}{}", active_ ? "\x1b[H\x1b[2J" : "", picture);
        std::fflush(stdout);
    }

    /// Waits. Returns true on q, Ctrl-C or the end of stdin.
    bool wait(Milliseconds time) const {
        const MonoTime end = MonoTime::clock::now() + time;
        while (interrupted == 0) {
            const auto left = std::chrono::ceil<Milliseconds>(end - MonoTime::clock::now());
            if (left.count() <= 0) return false;
            pollfd key{STDIN_FILENO, POLLIN, 0};
            const int ready =
                ::poll(active_ ? &key : nullptr, active_ ? 1 : 0, static_cast<int>(left.count()));
            if (ready <= 0) continue;
            char c = 0;
            if (::read(STDIN_FILENO, &c, 1) <= 0 || c == 'q' || c == 'Q') return true;
            return false;  // any other key: refresh at once
        }
        return true;
    }

private:
    bool active_;
    termios before_{};
};

ExitCode run_top(const std::string& socket, Milliseconds interval, unsigned count) {
    struct sigaction action{};
    action.sa_handler = [](int) { interrupted = 1; };
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    std::optional<Error> failed;
    {
        const Screen screen;
        const bool colour = wants_colour(stdout);
        const bool unicode = shows_unicode();
        std::vector<TopSample> seen;
        for (unsigned shown = 0;;) {
            winsize size{};
            const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
            const auto text = get_from_daemon(socket, "/v1/status", longest_refresh);
            const auto status = text ? parse_object(*text) : text.error();
            if (status) {
                const double at = in_seconds(MonoTime::clock::now().time_since_epoch());
                const TopSample sample = take_sample(*status, at);
                const int rows = known && screen.active() ? std::max(1, size.ws_row - 1) : 1000;
                const TopPicture picture{rows, known ? size.ws_col : 200, colour, unicode};
                screen.show(render_top(*status, sample, seen, picture));
                if (seen.size() == max_seen) seen.erase(seen.begin());
                seen.push_back(sample);
            } else if (seen.empty() || !screen.active()) {
                failed = status.error();
                break;
            } else {
                screen.show(status.error().message + '\n');  // the daemon may come back
            }
            if (++shown == count || screen.wait(interval)) break;
            if (!screen.active()) fmt::print("\n");
        }
    }
    if (!failed) return ExitCode::ok;
    complain(failed->message);
    return exit_code_of(*failed);
}

}  // namespace

void add_top_command(Command app, Context& context) {
    const Command top = app.add_subcommand("top", "Watch flowrelayd work; q ends it");
    const auto options = std::make_shared<TopOptions>();
    top.add_option("--interval", options->interval, "Time between two refreshes (1s)")
        .type_name("DURATION");
    top.add_option("--count", options->count, "End after N refreshes; 0: never")
        .type_name("N")
        .whole_number();
    top.footer(
        "Any other key refreshes at once. Without a terminal, each refresh is printed below the "
        "last:\n"
        "\n"
        "  flowrelay top --interval 10s --count 6 > minute.txt");
    top.callback([options, &context] {
        context.run = [options, &context] {
            const auto interval = parse_duration(options->interval);
            if (!interval || *interval < Milliseconds(100)) {
                complain("--interval: write a number and a unit, 100ms or more");
                return ExitCode::usage;
            }
            return run_top(context.control(), *interval, options->count);
        };
    });
}

}  // namespace flowrelay::cli
