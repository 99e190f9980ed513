#include "cli/authorization.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "cli/complain.hpp"
#include "flowrelay/app/connect_settings.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/client/token_exchange.hpp"
#include "flowrelay/client/unix_stream.hpp"

namespace flowrelay::cli {

namespace {

// RFC 7636 requires at least 43 characters, the encoded length of 32 bytes.
constexpr std::size_t word_bytes = 32;

/// Opens the address in the user's browser, in a session of its own, so that Ctrl-C on this
/// terminal and closing the terminal do not reach the browser. Returns false if there is no
/// browser.
bool open_browser(const std::string& url) {
    const char* chosen = std::getenv("BROWSER");
    std::string opener = chosen != nullptr && *chosen != '\0' ? chosen : "xdg-open";
    std::string address = url;
    char* arguments[] = {opener.data(), address.data(), nullptr};
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    }
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    pid_t child = 0;
    const int error =
        ::posix_spawnp(&child, opener.c_str(), &files, &attributes, arguments, environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    return error == 0;
}

}  // namespace

Authorization::Authorization(const app::Config& config, const AuthorizationOptions& options,
                             LineInput& input, const HeldSignals& signals)
    : config_(config),
      options_(options),
      input_(input),
      signals_(signals),
      client_secret_(app::load_client_secret(config.connect)) {}

void Authorization::fail(ExitCode exit_code, const std::string& message) {
    complain(message);
    exit_code_ = exit_code;
}

/// Opens the listener and builds the request.
bool Authorization::begin() {
    const std::string& uri = config_.connect.redirect_uri;
    request_.authorize_url = app::authorize_url(config_);
    request_.client_id = config_.connect.client_id;
    request_.redirect_uri = uri;
    request_.scopes = config_.connect.scopes;
    request_.state = client::random_word(word_bytes);
    request_.verifier = client::random_word(word_bytes);
    const auto redirect = app::parse_redirect_uri(uri);
    if (redirect && redirect->kind == app::RedirectUri::Kind::loopback) {
        auto listener = CallbackListener::open(redirect->address, redirect->port, redirect->path);
        if (!listener) {
            fail(ExitCode::try_later,
                 fmt::format("{}; it is the port of connect.redirect_uri, where the browser brings "
                             "the code: stop what uses it (ss -ltnp), or register another port for "
                             "the application",
                             listener.error().message));
            return false;
        }
        listener_ = std::move(*listener);
        request_.redirect_uri = app::with_port(uri, listener_->port());
    }
    url_ = client::authorization_url(request_);
    return true;
}

void Authorization::show_address() const {
    note(fmt::format("Open this address in a browser, on any machine, and allow it:\n\n  {}\n",
                     url_));
    const char* const paste = request_.redirect_uri == app::out_of_band_uri
                                  ? "the code that is shown"
                                  : "the code, or the whole address that the browser ends up at,";
    if (options_.may_browse) {
        note(fmt::format("Press Enter to open {} in a browser here, or paste {} and press Enter.",
                         client::server_of(url_), paste));
    } else if (input_.descriptor() >= 0) {
        note(fmt::format("Then paste {} here and press Enter.", paste));
    }
    if (listener_) {
        note(fmt::format("A browser on this machine delivers the code itself (port {}).",
                         listener_->port()));
    }
}

/// Returns the grant from a pasted line, if a line answers the request.
std::optional<Grant> Authorization::look_at_lines() {
    while (auto line = input_.take_line()) {
        if (line->find_first_not_of(" \t\r") == line->npos) {
            if (options_.may_browse && !open_browser(url_)) {
                note("No browser could be started: open the address above yourself.");
            }
            continue;
        }
        Grant grant = client::read_pasted(*line, request_);
        if (grant.kind != Grant::Kind::foreign) return grant;
        note(fmt::format("That can't be used: {}. Paste the code again.", grant.text));
    }
    return std::nullopt;
}

std::optional<std::string> Authorization::wait_for_code(MonoTime deadline) {
    while (true) {
        std::optional<Grant> grant = look_at_lines();
        std::vector<pollfd> waiting{{signals_.descriptor(), POLLIN, 0},
                                    {input_.descriptor(), POLLIN, 0}};
        if (!grant) {
            if (input_.descriptor() < 0 && !listener_) {
                // Keep the exit code of the server's refusal of the last code.
                if (was_refused_) return std::nullopt;
                fail(ExitCode::usage,
                     "no code can arrive: the standard input has ended, and connect.redirect_uri "
                     "is not one of this machine; paste the code on a terminal, or pipe it in");
                return std::nullopt;
            }
            if (listener_) listener_->add_to(waiting);
            const int left = client::milliseconds_until(deadline);
            if (left == 0) {
                fail(ExitCode::try_later,
                     fmt::format("expired: no code arrived within {}; run this again",
                                 format_duration(options_.wait)));
                return std::nullopt;
            }
            if (::poll(waiting.data(), waiting.size(), left) < 0 && errno != EINTR) {
                fail(ExitCode::try_later, system_error(errno, "wait for", "the code").message);
                return std::nullopt;
            }
            if (waiting[0].revents != 0) {
                fail(ExitCode::try_later, "stopped; nothing was changed");
                return std::nullopt;
            }
            if (waiting[1].revents != 0) input_.read_some();
            const auto is_ours = [&](std::string_view query) {
                Grant given = client::read_callback(query, request_);
                if (given.kind == Grant::Kind::foreign) return false;
                grant = std::move(given);
                return true;
            };
            if (listener_) listener_->serve(waiting, is_ours);
        }
        if (!grant) continue;
        if (grant->kind == Grant::Kind::code) return std::move(grant->text);
        if (listener_) listener_->answer(false, "Not connected", grant->text);
        fail(ExitCode::not_permitted,
             fmt::format("{} did not allow it: {}", client::server_of(request_.authorize_url),
                         grant->text));
        return std::nullopt;
    }
}

std::optional<AccessGrant> Authorization::exchange(const std::string& code, bool& ask_again) {
    auto exchange = client::exchange_code(config_, request_, code, client_secret_);
    ask_again = exchange.wrong_code;
    was_refused_ = was_refused_ || ask_again;
    if (exchange.problem.empty()) return std::move(exchange.grant);
    if (listener_) {
        listener_->answer(false, "Not connected",
                          exchange.problem +
                              ". Go on in the terminal, where it is said what to "
                              "do.");
    }
    fail(exit_code_of(exchange.failure), exchange.problem);
    return std::nullopt;
}

std::optional<AccessGrant> Authorization::run() {
    if (config_.connect.client_id.empty()) {
        fail(ExitCode::bad_config,
             "there is no connect.client_id in the configuration: put the id of the application "
             "there, or give an access token with --access-token-file");
        return std::nullopt;
    }
    if (!begin()) return std::nullopt;
    show_address();
    const MonoTime deadline = MonoTime::clock::now() + options_.wait;
    while (true) {
        const auto code = wait_for_code(deadline);
        if (!code) return std::nullopt;
        bool ask_again = false;
        auto grant = exchange(*code, ask_again);
        if (!grant) {
            if (!ask_again) return std::nullopt;
            note("Paste the right code, or open the address above once more.");
            continue;
        }
        const std::string missing = client::missing_scopes(request_.scopes, grant->scopes);
        if (missing.empty()) {
            if (listener_) {
                listener_->answer(true, "Allowed",
                                  "flowrelay may add the source now. Go on in the terminal; this "
                                  "page can be closed.");
            }
            return grant;
        }
        const std::string problem =
            fmt::format("{} did not grant {}, which is needed to add a source",
                        client::server_of(request_.authorize_url), app::printable(missing));
        if (listener_) listener_->answer(false, "Not connected", problem);
        revoke(grant->access_token);
        fail(ExitCode::not_permitted, problem + "; are the scopes of the application right?");
        return std::nullopt;
    }
}

void Authorization::revoke(const Secret& access_token) const {
    const auto given =
        client::revoke_token(config_, request_.client_id, client_secret_, access_token);
    if (given) return;
    note(
        fmt::format("The access token could not be revoked at {} ({}): it expires by itself, or "
                    "withdraw it on the page of allowed applications there.",
                    client::server_of(app::revoke_url(config_)), given.error().message));
}

}  // namespace flowrelay::cli
