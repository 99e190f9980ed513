#include "pages/site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "flowrelay/app/connect_settings.hpp"
#include "flowrelay/client/oauth.hpp"
#include "flowrelay/client/token_exchange.hpp"
#include "flowrelay/core/log_events.hpp"
#include "pages/html.hpp"

namespace flowrelay::pages {

namespace ev = core::log_events;

namespace {

constexpr std::size_t max_sessions = 2000;
constexpr Milliseconds session_lifetime = std::chrono::minutes(30);
constexpr std::size_t id_bytes = 32;
/// Time limit for revoking access tokens when the process ends.
constexpr Milliseconds patience_at_end = Seconds(20);

/// Because of the prefix, browsers accept the cookie only from this host over https, for all paths.
constexpr std::string_view cookie_name = "__Host-flowrelay";

app::Config with_application(const app::Config& config) {
    app::Config own = config;
    own.connect = app::pages_application(config);
    if (own.pages.public_url.empty()) {
        throw app::ConfigError({app::problem_with(
            config, "pages.public_url",
            "missing: enter the address at which browsers find the pages, such as "
            "https://relay.example.com/flowdock")});
    }
    if (own.connect.client_id.empty()) {
        throw app::ConfigError({app::problem_with(
            config, "pages.client_id",
            "missing, and there is no connect.client_id: put the id of the application there")});
    }
    return own;
}

Secret secret_of(const app::Config& config, const app::Config& own) {
    return app::load_client_secret(own.connect,
                                   config.pages.client_id.empty() ? "connect" : "pages");
}

}  // namespace

client::Say into(std::vector<std::string>& said) {
    return [&said](std::string_view sentence) { said.emplace_back(sentence); };
}

/// The requests and their handlers. A path that ends with a slash is followed by one name.
struct Site::Route {
    std::string_view method;
    std::string_view path;
    http::Response (Site::*answer)(Call& call);
    bool needs_session = true;
};

const std::vector<Site::Route>& Site::routes() {
    static const std::vector<Route> all{
        {"GET", "/invite/", &Site::open_invitation, false},
        {"GET", "/setup", &Site::open_setup, false},
        {"GET", "/configure", &Site::open_configure, false},
        {"GET", "/configure/", &Site::open_link, false},
        {"GET", "/authorize", &Site::authorize},
        {"GET", "/callback", &Site::take_callback},
        {"GET", "/confirm", &Site::show_confirm},
        {"POST", "/connect", &Site::connect},
        {"GET", "/done", &Site::show_done},
        {"GET", "/settings", &Site::show_settings},
        {"POST", "/settings/filter", &Site::change_filter},
        {"POST", "/settings/pause", &Site::pause},
        {"POST", "/settings/resume", &Site::resume},
        {"GET", "/settings/remove", &Site::show_removal},
        {"POST", "/settings/remove", &Site::remove},
        {"POST", "/settings/leave", &Site::leave},
    };
    return all;
}

const Site::Route* Site::find_route(const http::Request& request, std::string_view path,
                                    std::string& allow) {
    for (const Route& route : routes()) {
        const bool has_name = route.path.ends_with('/');
        const bool fits = has_name
                              ? path.starts_with(route.path) && path.size() > route.path.size() &&
                                    path.find('/', route.path.size()) == path.npos
                              : path == route.path;
        if (!fits) continue;
        if (request.method == route.method) return &route;
        allow += (allow.empty() ? "" : ", ") + std::string(route.method);
    }
    return nullptr;
}

Site::Site(const app::Config& config, LedgerFile& ledger, Log& log, const Clock& clock)
    : config_(with_application(config)),
      client_secret_(secret_of(config, config_)),
      server_(client::server_of(app::authorize_url(config_))),
      policy_(fmt::format("default-src 'none'; style-src {}; form-action 'self'; base-uri 'none'; "
                          "frame-ancestors 'none'",
                          style_source())),
      open_to_{app::split_scopes(config.pages.organizations),
               app::split_scopes(config.pages.users)},
      ledger_(ledger),
      log_(log),
      clock_(clock),
      sessions_(max_sessions, session_lifetime) {}

Site::~Site() = default;

http::Response Site::html(int status, std::string_view title, const std::string& body) const {
    http::Response response;
    response.status = status;
    response.content_type = "text/html; charset=utf-8";
    response.body = page(title, body);
    return response;
}

http::Response Site::failed(int status, std::string_view title, std::vector<std::string> sentences,
                            std::string_view again) const {
    return html(status, title, problem(sentences, again));
}

http::Response Site::go(std::string_view path) const {
    http::Response response;
    response.status = 303;
    response.content_type = "text/html; charset=utf-8";
    response.fields.emplace_back("Location", url(path));
    return response;
}

http::Response Site::no_visit() const {
    return failed(403, "Start again",
                  {"This browser has no visit here, or it has ended: nothing was changed by this",
                   "Open the link that you came by once more, and allow cookies for this site"});
}

/// Finds the session of the browser. Returns false if its previous request is still in progress.
bool Site::take_session(Call& call, std::string_view cookies, bool& is_busy) {
    call.id = cookie_value(cookies, cookie_name);
    const std::lock_guard guard(mutex_);
    auto session = sessions_.find(call.id, clock_.now().mono);
    is_busy = session && session->in_use;
    if (!session || is_busy) return false;
    session->in_use = true;
    call.session = std::move(session);
    return true;
}

/// Creates a session if there is none. Returns false if there are too many.
bool Site::begin_session(Call& call) {
    if (call.session) return true;
    call.id = client::random_word(id_bytes);
    const std::lock_guard guard(mutex_);
    call.session = sessions_.create(call.id, client::random_word(id_bytes), clock_.now().mono);
    if (!call.session) return false;
    call.session->in_use = true;
    call.sets_cookie = true;
    return true;
}

void Site::leave_session(Call& call) {
    if (!call.session) return;
    const std::lock_guard guard(mutex_);
    call.session->in_use = false;
}

void Site::renew_session(Call& call) {
    std::string id = client::random_word(id_bytes);
    const std::lock_guard guard(mutex_);
    sessions_.rename(call.id, id);
    call.id = std::move(id);
    call.session->csrf = client::random_word(id_bytes);
    call.sets_cookie = true;
}

http::Response Site::answer(const http::RequestReader& reader) {
    const http::Request& request = reader.request();
    Call call{request, path_below(request.path, config_.pages.public_url), {}, nullptr};
    std::string allow;
    const Route* const route = find_route(request, call.path, allow);
    http::Response response;
    if (route == nullptr) {
        response = failed(allow.empty() ? 404 : 405, allow.empty() ? "Not found" : "Not this way",
                          {"There is no such page here",
                           "Start from the sources of your flow, or open the invitation that "
                           "you were sent"});
        if (!allow.empty()) response.fields.emplace_back("Allow", allow);
    } else {
        bool is_busy = false;
        take_session(call, reader.field("Cookie"), is_busy);
        const bool is_form = request.method == "POST";
        if (is_busy) {
            response = failed(
                503, "One moment",
                {"Your last request is still in progress", "Wait a moment, then reload this page"});
        } else if (!call.session && route->needs_session) {
            response = no_visit();
        } else if (is_form && (request.content_type != "application/x-www-form-urlencoded" ||
                               !equal_secretly(call.field("csrf"), call.session->csrf))) {
            response = failed(403, "Not from here",
                              {"This form was not filled in on these pages, or it is an old one",
                               "Nothing was changed. Go back, reload the page, and try again"});
        } else {
            try {
                response = (this->*route->answer)(call);
            } catch (...) {
                leave_session(call);
                throw;
            }
        }
        leave_session(call);
    }
    if (call.sets_cookie) {
        response.fields.emplace_back(
            "Set-Cookie",
            fmt::format("{}={}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie_name, call.id));
    }
    response.fields.emplace_back("Cache-Control", "no-store");
    response.fields.emplace_back("Content-Security-Policy", policy_);
    response.fields.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
    response.fields.emplace_back("Referrer-Policy", "no-referrer");
    response.fields.emplace_back("X-Content-Type-Options", "nosniff");
    return response;
}

void Site::tidy() {
    std::vector<std::shared_ptr<Session>> gone;
    {
        const std::lock_guard guard(mutex_);
        gone = sessions_.expire(clock_.now().mono);
    }
    for (const auto& session : gone) give_back_access(*session);
}

void Site::end() {
    std::vector<std::shared_ptr<Session>> all;
    {
        const std::lock_guard guard(mutex_);
        all = sessions_.expire(MonoTime::max());
    }
    const MonoTime deadline = clock_.now().mono + patience_at_end;
    for (const auto& session : all) {
        if (session->access.empty()) continue;
        if (clock_.now().mono >= deadline) {
            log_failure("give access tokens back", "",
                        {"the OAuth server is too slow: those that are left end by themselves"});
            return;
        }
        give_back_access(*session);
    }
}

client::AskDaemon Site::ask_daemon() const {
    return [this](std::string_view method, std::string_view target, std::string_view body) {
        return client::call_daemon(config_.control.socket, method, target, body,
                                   client::patience_with_disk);
    };
}

void Site::log_failure(std::string_view step, std::string_view source,
                       const std::vector<std::string>& said) const {
    std::string reason;
    for (const std::string& sentence : said) reason += (reason.empty() ? "" : "; ") + sentence;
    log_.write(ev::pages_failed, {{"step", step}, {"source", source}, {"reason", reason}});
}

}  // namespace flowrelay::pages
