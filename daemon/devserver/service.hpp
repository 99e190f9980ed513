// Determines the server's answers. Its only I/O is the journal and the output of --show. One
// thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "flowrelay/base/time.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flows.hpp"
#include "inbox.hpp"
#include "journal.hpp"
#include "oauth.hpp"
#include "options.hpp"
#include "rules.hpp"
#include "sources.hpp"

namespace flowrelay::devserver {

/// What the connection must do with the bytes that handle() appended.
struct Reply {
    Action action = Action::respond;
    std::chrono::milliseconds delay{0};
    bool keep_alive = true;
};

class Service {
public:
    explicit Service(const Options& options);

    /// Counts an accepted connection and returns its number, starting at 1. connection_closed()
    /// counts its end.
    std::uint64_t connection_opened() noexcept;
    void connection_closed() noexcept { --open_connections_; }

    /// Appends the answer to a complete request, and records the request in the journal.
    Reply handle(const http::RequestReader& reader, std::uint64_t connection, std::string& out);

    /// Appends the answer to invalid input. The connection must be closed after it.
    void refuse(http::ReadStatus status, std::string& out);

private:
    struct Plan;
    struct Inspected;

    static bool is_set_up(const http::Request& request);
    Reply set_up(const http::RequestReader& reader, std::string& out);
    Plan plan_for(const http::RequestReader& reader);
    Plan plan_for_source(const http::Request& request);
    void show_update(const http::Request& request, const Plan& plan) const;
    Plan plan_of(const Rule& rule) const;
    Plan only(std::string_view method) const;
    Plan judge(const http::RequestReader& reader, const Inspected& inspected) const;
    void record(const http::RequestReader& reader, std::uint64_t connection, const Plan& plan);
    void show(const Received& received) const;
    void respond(const http::Request& request, const Plan& plan, std::string& out) const;
    void control(const http::Request& request, std::string& out);
    static void send(const http::Request& request, http::Response response, std::string& out);
    http::Response control_answer(const http::Request& request);
    std::string stats() const;

    Options options_;
    Rules rules_;
    Sources sources_;
    Inbox inbox_;
    OAuth oauth_;
    Flows flows_;
    std::optional<Journal> journal_;
    std::string line_;  ///< line of the journal, reused
    std::string usual_answer_;
    std::array<std::uint64_t, 600> by_status_{};
    std::uint64_t connections_ = 0;
    std::uint64_t open_connections_ = 0;
};

}  // namespace flowrelay::devserver
