// What the process knows of each browser, from its first page until it is done. In memory alone: a
// restart forgets it, and people begin again. Pure but for the random words that are given to it.
//
// Not thread safe: Site has a lock around it. A Session itself is used by one request at a time
// (`in_use`).
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

/// What a person came for.
enum class Purpose {
    none,
    connect,    ///< to make a source
    configure,  ///< to change the settings of one
};

struct Session {
    std::string csrf;  ///< in each form; only this browser has seen it
    bool in_use = false;
    MonoTime expires{};

    Purpose purpose = Purpose::none;
    std::string ticket;     ///< hash of the invitation; empty: there is none
    std::string flow;       ///< the flow that the person came from, ORG/FLOW or an id; or empty
    std::string source_id;  ///< of `configure`: the source in that flow

    /// The authorization that is under way: taken out by the answer to it.
    std::optional<client::AuthorizationRequest> pending;

    /// Empty: not authorized. What follows is known once it is.
    Secret access;
    client::Person person;
    std::vector<client::Flow> flows;  ///< of `connect`: those that can be chosen
    std::string source;               ///< of `configure`: its name with the daemon
    std::string sources_place;        ///< of `configure`: where its flow has its sources
    std::string note;                 ///< what was just done, for the next page
    std::string problem;              ///< what could not be done, for the next page

    /// The page at the end: its title and its HTML.
    std::string done_title;
    std::string done_body;
};

class Sessions {
public:
    /// `max`: how many there are at most. `lifetime`: without a request.
    Sessions(std::size_t max, Milliseconds lifetime) : max_(max), lifetime_(lifetime) {}

    /// Makes a session. Where there are too many, the oldest that nobody has authorized and that
    /// brought no invitation goes. Null: all are needed.
    std::shared_ptr<Session> create(std::string id, std::string csrf, MonoTime now);

    /// The session, which then lives on; null: there is none.
    std::shared_ptr<Session> find(std::string_view id, MonoTime now);

    /// Gives a session a new id, so that one that was known before is worth nothing.
    void rename(std::string_view from, std::string to);

    /// Forgets what has expired and returns it, for access tokens that have to be given back.
    std::vector<std::shared_ptr<Session>> expire(MonoTime now);

    std::size_t size() const noexcept { return sessions_.size(); }

private:
    bool make_room();

    std::size_t max_;
    Milliseconds lifetime_;
    std::map<std::string, std::shared_ptr<Session>, std::less<>> sessions_;
};

/// Whether two texts are equal, in a time that does not tell where they differ.
bool equal_secretly(std::string_view a, std::string_view b) noexcept;

/// The value of a cookie in a Cookie field; empty if it is not there, or there twice.
std::string_view cookie_value(std::string_view field, std::string_view name);

}  // namespace flowrelay::pages
