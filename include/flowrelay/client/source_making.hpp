// From a flow to the daemon: makes a source in the flow and hands its token over, without leaving
// a source that is half connected.
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

/// Makes one request of the control socket. `body` is JSON, or empty.
using AskDaemon = std::function<Result<DaemonReply>(
    std::string_view method, std::string_view target, std::string_view body)>;

struct SourceRequest {
    std::string name;         ///< as producers will call it
    std::string title;        ///< as the flow will
    std::string url;          ///< where what it reports on is found; empty: not said
    std::string application;  ///< what is noted if the API does not name the application
};

/// One thread; calls block. What goes wrong is said, with what is left where, and failure() tells
/// the case.
class SourceMaking {
public:
    /// `api` outlives this.
    SourceMaking(FlowApi& api, AskDaemon ask, SourceRequest request, Say say);

    /// Says whether the daemon would take a source of this name. To be called before anything is
    /// made, since a flow_token is shown once.
    bool is_name_free();

    /// Chooses the flow, which has to have a place for its sources, and returns the source there
    /// that has the title already, if there is one. `wanted`: what the flow was asked for by.
    std::optional<ListedSource> choose(const Flow& flow, const std::string& wanted);

    /// Makes the source in the flow. Nothing: no source is left there, or it was said which.
    std::optional<NewSource> make();

    /// Gives the source to the daemon. False: the daemon has not got it, and it was taken back
    /// where that is sure.
    bool hand_over(const NewSource& source);

    /// Removes a source that nobody has the token of from the flow again.
    void take_back(const std::string& id);

    /// False after hand_over(): the daemon has the source, but perhaps not on its disk.
    bool is_settled() const noexcept { return is_settled_; }

    Failure failure() const noexcept { return failure_; }

    /// The flow as the daemon notes it: its path, or what it was asked for by.
    std::string flow_name() const;

private:
    void fail(const Result<DaemonReply>& reply);
    std::optional<bool> is_with_daemon();
    /// `lost`: the API may have made one, or may do it yet.
    void look_for_lost_source(bool lost);

    FlowApi& api_;
    AskDaemon ask_;
    SourceRequest request_;
    Say say_;
    Flow flow_;
    std::string wanted_;
    std::string place_;
    std::optional<std::vector<ListedSource>>
        before_;  ///< the sources that were there; nothing: not known
    bool is_settled_ = true;
    Failure failure_ = Failure::try_later;
};

}  // namespace flowrelay::client
