// Answers the requests of the pages. A user opens an invitation or a link of the API, allows the
// application at the OAuth server, and confirms. Then the source is created and given to the
// daemon. Or the user changes the settings of a source that the API shows to that user.
//
// Any thread; a call blocks as long as the API, the OAuth server and the daemon take. Requests of
// one browser run one at a time.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/client/flow_api.hpp"
#include "flowrelay/client/source_making.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "pages/ledger_file.hpp"
#include "pages/sessions.hpp"
#include "pages/texts.hpp"
#include "pages/visit.hpp"

namespace flowrelay::pages {

class Site {
public:
    /// All references must outlive this. Throws ConfigError if the secret of the application can't
    /// be read, or no application is configured.
    Site(const app::Config& config, LedgerFile& ledger, Log& log, const Clock& clock);
    ~Site();

    /// Answers a complete request.
    http::Response answer(const http::RequestReader& reader);

    /// Removes expired sessions and revokes their access tokens. Must be called regularly.
    void tidy();

    /// Revokes all access tokens. Called when the process ends and no request is in progress.
    void end();

private:
    /// A request, and the session of its browser if there is one.
    struct Call {
        const http::Request& request;
        std::string_view path;  ///< below the public URL
        std::string id;         ///< of the session
        std::shared_ptr<Session> session;
        bool sets_cookie = false;

        std::string field(std::string_view name) const {
            return http::query_parameter(request.body, name);
        }
    };
    /// Whether a user may see the settings of a source; unknown if the API or the daemon does not
    /// answer.
    enum class Right { granted, refused, unknown };
    struct Route;
    static const std::vector<Route>& routes();
    static const Route* find_route(const http::Request& request, std::string_view path,
                                   std::string& allow);

    // Sessions.
    bool take_session(Call& call, std::string_view cookies, bool& is_busy);
    bool begin_session(Call& call);
    void leave_session(Call& call);
    void renew_session(Call& call);

    // Answers.
    http::Response html(int status, std::string_view title, const std::string& body) const;
    http::Response failed(int status, std::string_view title, std::vector<std::string> sentences,
                          std::string_view again = {}) const;
    http::Response go(std::string_view path) const;
    http::Response no_visit() const;
    std::string url(std::string_view path) const {
        return config_.pages.public_url + std::string(path);
    }

    // The start of a visit, and the authorization (site_authorize.cpp).
    http::Response open_invitation(Call& call);
    http::Response open_setup(Call& call);
    http::Response open_configure(Call& call);
    http::Response open_link(Call& call);
    http::Response authorize(Call& call);
    http::Response take_callback(Call& call);
    http::Response start_configure_page(Call& call, Visit visit);
    http::Response after_access(Call& call);
    http::Response find_flows(Call& call);
    void give_back_access(Session& session);
    void start_over(Session& session);

    // Connecting (site_connect.cpp).
    http::Response show_confirm(Call& call);
    http::Response confirm_page(Call& call, int status, std::size_t chosen, const std::string& name,
                                const std::string& title, const std::string& problem);
    http::Response connect(Call& call);
    http::Response make_source(Call& call, const client::Flow& flow, client::SourceRequest request,
                               std::optional<Invitation> claimed);
    bool set_link(const client::NewSource& source, const client::Flow& flow);
    http::Response show_done(Call& call);
    std::optional<Invitation> invitation_of(const Session& session) const;

    // Settings (site_configure.cpp).
    http::Response show_settings(Call& call);
    http::Response show_removal(Call& call);
    http::Response pause(Call& call);
    http::Response resume(Call& call);
    http::Response change_filter(Call& call);
    http::Response remove(Call& call);
    http::Response leave(Call& call);
    http::Response change(Call& call, std::string_view action, const std::string& body,
                          std::string_view done);
    Right right_to_configure(Session& session, client::FlowApi& api,
                             std::vector<std::string>& said) const;
    http::Response not_open(Session& session, Right right, std::vector<std::string> said);
    Result<boost::json::object> source_of(const Session& session) const;
    bool is_gone_all_the_same(const Session& session, client::FlowApi& api,
                              std::vector<std::string>& said) const;
    SettingsText settings_text(Call& call) const;

    client::AskDaemon ask_daemon() const;
    void log_failure(std::string_view step, std::string_view source,
                     const std::vector<std::string>& said) const;

    app::Config config_;  ///< with the application of the pages in `connect`
    Secret client_secret_;
    std::string server_;  ///< name of the OAuth server, for users
    std::string policy_;  ///< Content-Security-Policy
    OpenTo open_to_;
    LedgerFile& ledger_;
    Log& log_;
    const Clock& clock_;
    std::mutex mutex_;  ///< of the sessions, and of Session::in_use
    Sessions sessions_;
};

/// Returns a Say that appends the sentences to `said`.
client::Say into(std::vector<std::string>& said);

}  // namespace flowrelay::pages
