// The state of each browser's visit, from its first page to its last. Only in memory: after a
// restart users begin again. Pure; random words are arguments.
//
// Not thread safe: Site locks it. A Session is used by one request at a time (`in_use`).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/client/flow_setup.hpp"
#include "flowrelay/client/oauth.hpp"

namespace flowrelay::pages {

/// The purpose of a visit.
enum class Purpose {
    none,
    connect,    ///< to create a source
    configure,  ///< to change the settings of a source
};

struct Session {
    std::string csrf;  ///< sent in each form; known to this browser alone
    bool in_use = false;
    MonoTime expires{};

    Purpose purpose = Purpose::none;
    std::string ticket;     ///< hash of the invitation; empty: none
    std::string flow;       ///< the flow that the user came from, ORG/FLOW or an id; or empty
    std::string source_id;  ///< for `configure`: the source in that flow

    /// The authorization in progress. The callback removes it.
    std::optional<client::AuthorizationRequest> pending;

    /// Empty: not authorized. The members below are set after the authorization.
    Secret access;
    client::Person person;
    std::vector<client::Flow> flows;  ///< for `connect`: the flows to choose from
    std::string source;               ///< for `configure`: the daemon's name for it
    std::string sources_place;        ///< for `configure`: client::Flow::sources of its flow
    std::string note;                 ///< result to show on the next page
    std::string problem;              ///< failure to show on the next page

    /// The last page: title and HTML.
    std::string done_title;
    std::string done_body;
};

class Sessions {
public:
    /// `max` is the maximum number of sessions. A session without a request for `lifetime` expires.
    Sessions(std::size_t max, Milliseconds lifetime) : max_(max), lifetime_(lifetime) {}

    /// Creates a session. If there are too many, removes the oldest one that has neither an
    /// authorization nor an invitation. Returns null if there is none to remove.
    std::shared_ptr<Session> create(std::string id, std::string csrf, MonoTime now);

    /// Returns a session and extends its lifetime; null if there is none.
    std::shared_ptr<Session> find(std::string_view id, MonoTime now);

    /// Gives a session a new id, so that an id that leaked before is useless.
    void rename(std::string_view from, std::string to);

    /// Removes expired sessions and returns them, because their access tokens must be revoked.
    std::vector<std::shared_ptr<Session>> expire(MonoTime now);

    std::size_t size() const noexcept { return sessions_.size(); }

private:
    bool make_room();

    std::size_t max_;
    Milliseconds lifetime_;
    std::map<std::string, std::shared_ptr<Session>, std::less<>> sessions_;
};

/// Compares two texts in a time that does not depend on where they differ.
bool equal_secretly(std::string_view a, std::string_view b) noexcept;

/// Returns the value of a cookie in a Cookie field; empty if it is missing or there twice.
std::string_view cookie_value(std::string_view field, std::string_view name);

}  // namespace flowrelay::pages
