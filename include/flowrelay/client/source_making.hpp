// Creates a source in a flow and gives its token to the daemon, without leaving a source that is
// half connected.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/client/daemon_call.hpp"
#include "flowrelay/client/failure.hpp"
#include "flowrelay/client/flow_api.hpp"
#include "flowrelay/client/flow_setup.hpp"

namespace flowrelay::client {

/// Sends one request to the control socket. `body` is JSON, or empty.
using AskDaemon = std::function<Result<DaemonReply>(
    std::string_view method, std::string_view target, std::string_view body)>;

/// The source to create.
struct SourceRequest {
    std::string name;         ///< for producers
    std::string title;        ///< shown in the flow
    std::string url;          ///< of the system that it reports on; empty: none
    std::string application;  ///< recorded if the API does not name the application
};

/// Used by one thread; calls block. Failures are reported through Say, including what they leave
/// behind, and failure() returns the reason.
class SourceMaking {
public:
    /// `api` must outlive this.
    SourceMaking(FlowApi& api, AskDaemon ask, SourceRequest request, Say say);

    /// Asks whether the daemon would accept a source with this name. Must be called before a source
    /// is created, because the API shows a flow_token only once.
    bool is_name_free();

    /// Sets the flow, whose Flow::sources must not be empty. Returns an existing source there with
    /// the same title, if there is one. `wanted` is how the user named the flow.
    std::optional<ListedSource> choose(const Flow& flow, const std::string& wanted);

    /// Creates the source in the flow. On failure returns nothing, after removing the source again
    /// or reporting which one may be left there.
    std::optional<NewSource> make();

    /// Gives the source to the daemon. Returns false if the daemon does not have it. If that is
    /// certain, the source was removed from the flow.
    bool hand_over(const NewSource& source);

    /// Removes a source from the flow again whose token nobody has.
    void take_back(const std::string& id);

    /// Returns false after hand_over() if the daemon has the source, but perhaps not on its disk.
    bool is_settled() const noexcept { return is_settled_; }

    Failure failure() const noexcept { return failure_; }

    /// Returns the flow as the daemon records it: its path, or else how the user named it.
    std::string flow_name() const;

private:
    void fail(const Result<DaemonReply>& reply);
    std::optional<bool> is_with_daemon();
    /// `lost`: no answer came, so the API may have created the source or may still do so.
    void look_for_lost_source(bool lost);

    FlowApi& api_;
    AskDaemon ask_;
    SourceRequest request_;
    Say say_;
    Flow flow_;
    std::string wanted_;
    std::string place_;
    std::optional<std::vector<ListedSource>>
        before_;  ///< the sources of the flow; nothing: unknown
    bool is_settled_ = true;
    Failure failure_ = Failure::try_later;
};

}  // namespace flowrelay::client
