// The operators' socket: creates, lists and revokes invitations. HTTP with JSON, like the daemon's
// control socket. Any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/peer.hpp"
#include "pages/ledger_file.hpp"

namespace flowrelay::pages {

class InviteService {
public:
    /// All references must outlive this.
    InviteService(const app::Config& config, LedgerFile& ledger, Log& log, const Clock& clock);

    /// Answers a complete request. `connection` is a Unix socket, which identifies the user.
    http::Response answer(const http::RequestReader& reader, int connection);

private:
    http::Response invite(std::string_view body, uid_t uid);
    http::Response list() const;
    http::Response revoke(std::string_view body, uid_t uid);

    const app::Config& config_;
    LedgerFile& ledger_;
    Log& log_;
    const Clock& clock_;
    std::optional<gid_t> admin_group_;
};

}  // namespace flowrelay::pages
