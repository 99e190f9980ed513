# Completion of the command flowrelay for fish.

function __flowrelay_sources
    flowrelay source list --json 2>/dev/null | string replace --filter --regex '^\{"name":"([^"]*)".*' '$1'
end

# Whether the words so far are this command, and, where one is given, this action below it.
function __flowrelay_is
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l plain (string match --invert -- '-*' $words[2..-1])
    test "$plain[1]" = "$argv[1]"; or return 1
    test (count $argv) -eq 1; and return 0
    contains -- "$plain[2]" $argv[2..-1]
end

function __flowrelay_needs_command
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    test (count (string match --invert -- '-*' $words[2..-1])) -eq 0
end

function __flowrelay_needs_action
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l plain (string match --invert -- '-*' $words[2..-1])
    test (count $plain) -eq 1 -a "$plain[1]" = "$argv[1]"
end

complete -c flowrelay -f
complete -c flowrelay -l help -d 'print help'
complete -c flowrelay -l socket -r -F -d 'the socket to talk to'
complete -c flowrelay -n __flowrelay_needs_command -l version -d 'print the version'
complete -c flowrelay -n __flowrelay_needs_command -a send -d 'hand events in'
complete -c flowrelay -n __flowrelay_needs_command -a status -d 'show how flowrelayd is and what it holds'
complete -c flowrelay -n __flowrelay_needs_command -a queue -d 'look at the queue, retry and drop events'
complete -c flowrelay -n __flowrelay_needs_command -a explain -d 'say why something waits, until when, or what became of it'
complete -c flowrelay -n __flowrelay_needs_command -a dead -d 'look at the events that could not be delivered'
complete -c flowrelay -n __flowrelay_needs_command -a source -d 'see, check, add, connect, filter, invite, pause, rotate and remove sources'
complete -c flowrelay -n __flowrelay_needs_command -a health -d 'one line and an exit status for monitoring'
complete -c flowrelay -n __flowrelay_needs_command -a top -d 'watch flowrelayd work'
complete -c flowrelay -n __flowrelay_needs_command -a reload -d 'let flowrelayd read its configuration again'
complete -c flowrelay -n __flowrelay_needs_command -a metrics -d 'print the metrics'
complete -c flowrelay -n __flowrelay_needs_command -a backup -d 'copy the spool and the configuration'
complete -c flowrelay -n __flowrelay_needs_command -a restore -d 'put a backup in place'
complete -c flowrelay -n __flowrelay_needs_command -a support -d 'print what belongs into a ticket'
complete -c flowrelay -n __flowrelay_needs_command -a config -d 'work with the configuration file'
complete -c flowrelay -n __flowrelay_needs_command -a spool -d 'look at a spool, and test a disk'

complete -c flowrelay -n '__flowrelay_needs_action queue' -a 'list show retry drop'
complete -c flowrelay -n '__flowrelay_needs_action dead' -a 'list show replay drop'
complete -c flowrelay -n '__flowrelay_needs_action source' -a 'list show check add connect filter invite rotate pause resume enable remove'
complete -c flowrelay -n '__flowrelay_needs_action config' -a 'check show'
complete -c flowrelay -n '__flowrelay_needs_action spool' -a 'verify declare-damaged test adopt book-lost'

complete -c flowrelay -n '__flowrelay_is send' -l source -x -a '(__flowrelay_sources)' -d 'the source'
complete -c flowrelay -n '__flowrelay_is send' -l token-file -r -F -d 'a file with the flow_token'
complete -c flowrelay -n '__flowrelay_is send' -l thread -x -d 'your own id of the item'
complete -c flowrelay -n '__flowrelay_is send' -l thread-id -x -d 'the id of the thread at the server'
complete -c flowrelay -n '__flowrelay_is send' -l title -x -d 'what happened'
complete -c flowrelay -n '__flowrelay_is send' -l author -x -d 'who did it'
complete -c flowrelay -n '__flowrelay_is send' -l event -x -a 'activity discussion' -d 'kind of the event'
complete -c flowrelay -n '__flowrelay_is send' -l body -r -F -d 'more about it, - for stdin, @FILE'
complete -c flowrelay -n '__flowrelay_is send' -l status -x -d 'state of the item, COLOR:TEXT'
complete -c flowrelay -n '__flowrelay_is send' -l thread-title -x -d 'title of the item'
complete -c flowrelay -n '__flowrelay_is send' -l thread-body -x -d 'description of the item'
complete -c flowrelay -n '__flowrelay_is send' -l url -x -d 'where the item is'
complete -c flowrelay -n '__flowrelay_is send' -l field -x -d 'a property, LABEL=VALUE'
complete -c flowrelay -n '__flowrelay_is send' -l tag -x -d 'a tag'
complete -c flowrelay -n '__flowrelay_is send' -l uuid -x -d 'your own unique id of the event'
complete -c flowrelay -n '__flowrelay_is send' -l expires-in -x -d 'do not deliver it later than that'
complete -c flowrelay -n '__flowrelay_is send' -l wait -x -d 'the longest wait for an answer'
complete -c flowrelay -n '__flowrelay_is send' -l quiet -d 'say nothing but what went wrong'
complete -c flowrelay -n '__flowrelay_is send' -l json -d 'print the answers of flowrelayd'

complete -c flowrelay -n '__flowrelay_is status' -l json -d 'as JSON'
complete -c flowrelay -n '__flowrelay_is reload' -l json -d 'as JSON'
complete -c flowrelay -n '__flowrelay_is reload' -l accept-loss -d 'also if dead letters are dropped by it'

complete -c flowrelay -n '__flowrelay_is explain' -a '(__flowrelay_sources)'
complete -c flowrelay -n '__flowrelay_is explain' -l event -x -d 'an event'
complete -c flowrelay -n '__flowrelay_is explain' -l thread -x -d 'a thread'
complete -c flowrelay -n '__flowrelay_is explain' -l source -x -a '(__flowrelay_sources)' -d 'a source'
complete -c flowrelay -n '__flowrelay_is explain' -l json -d 'as JSON'

complete -c flowrelay -n '__flowrelay_is health' -l warn-age -x -d 'warn when the oldest event is older'
complete -c flowrelay -n '__flowrelay_is health' -l crit-age -x -d 'critical when the oldest event is older'
complete -c flowrelay -n '__flowrelay_is health' -l warn-spool -x -d 'warn when the spool is fuller, per cent'
complete -c flowrelay -n '__flowrelay_is health' -l crit-spool -x -d 'critical when the spool is fuller, per cent'
complete -c flowrelay -n '__flowrelay_is health' -l warn-dead -x -d 'warn when there are so many dead letters'
complete -c flowrelay -n '__flowrelay_is health' -l json -d 'as JSON'

complete -c flowrelay -n '__flowrelay_is top' -l interval -x -d 'time between two looks'
complete -c flowrelay -n '__flowrelay_is top' -l count -x -d 'end after so many looks'

complete -c flowrelay -n '__flowrelay_is backup' -a '(__fish_complete_directories)'
complete -c flowrelay -n '__flowrelay_is backup' -l config -r -F -d 'the configuration'
complete -c flowrelay -n '__flowrelay_is restore' -a '(__fish_complete_directories)'
complete -c flowrelay -n '__flowrelay_is restore' -l state -r -F -d 'where the spool goes'
complete -c flowrelay -n '__flowrelay_is restore' -l with-config -d 'the configuration and token files as well'
complete -c flowrelay -n '__flowrelay_is restore' -l with-damage -d 'also a copy that is damaged'
complete -c flowrelay -n '__flowrelay_is restore' -l user -x -a '(__fish_complete_users)' -d 'whose files they become'
complete -c flowrelay -n '__flowrelay_is support' -l config -r -F -d 'the configuration'
complete -c flowrelay -n '__flowrelay_is support' -l unit -x -d 'whose journal'
complete -c flowrelay -n '__flowrelay_is support' -l lines -x -d 'how many lines of the journal'

complete -c flowrelay -n '__flowrelay_is queue list retry drop' -l source -x -a '(__flowrelay_sources)' -d 'all of this source'
complete -c flowrelay -n '__flowrelay_is queue list retry drop' -l thread -x -d 'all of this thread'
complete -c flowrelay -n '__flowrelay_is dead list replay drop' -l source -x -a '(__flowrelay_sources)' -d 'all of this source'
complete -c flowrelay -n '__flowrelay_is queue list' -l limit -x -d 'at most so many'
complete -c flowrelay -n '__flowrelay_is dead list' -l limit -x -d 'at most so many'
complete -c flowrelay -n '__flowrelay_is queue retry drop' -l all -d 'all there are'
complete -c flowrelay -n '__flowrelay_is dead replay drop' -l all -d 'all there are'
complete -c flowrelay -n '__flowrelay_is queue retry drop' -l plan -d 'only say what would be done'
complete -c flowrelay -n '__flowrelay_is dead replay drop' -l plan -d 'only say what would be done'
complete -c flowrelay -n '__flowrelay_is queue drop' -l yes -d 'do it'
complete -c flowrelay -n '__flowrelay_is dead drop' -l yes -d 'do it'
complete -c flowrelay -n '__flowrelay_is queue' -l json -d 'as JSON'
complete -c flowrelay -n '__flowrelay_is dead' -l json -d 'as JSON'

complete -c flowrelay -n '__flowrelay_is source show check filter rotate pause resume enable remove' -a '(__flowrelay_sources)'
complete -c flowrelay -n '__flowrelay_is source add rotate' -l token-file -r -F -d 'the file with the token, - for stdin'
complete -c flowrelay -n '__flowrelay_is source connect' -l flow -x -d 'ORG/FLOW, or its id'
complete -c flowrelay -n '__flowrelay_is source connect' -l access-token-file -r -F -d 'the file with the access token'
complete -c flowrelay -n '__flowrelay_is source connect' -l title -x -d 'its name in the flow'
complete -c flowrelay -n '__flowrelay_is source connect' -l url -x -d 'where it is'
complete -c flowrelay -n '__flowrelay_is source connect' -l config -r -F -d 'the configuration'
complete -c flowrelay -n '__flowrelay_is source connect' -l no-browser -d 'only print the address'
complete -c flowrelay -n '__flowrelay_is source connect' -l wait -x -d 'seconds until it expires'
complete -c flowrelay -n '__flowrelay_is source connect' -l yes -d 'do not ask to confirm'
complete -c flowrelay -n '__flowrelay_is source connect' -l hello -d 'send a first event'
complete -c flowrelay -n '__flowrelay_is source filter' -l event -x -a 'activity discussion' -d 'events of this type'
complete -c flowrelay -n '__flowrelay_is source filter' -l tag -x -d 'events with this tag'
complete -c flowrelay -n '__flowrelay_is source filter' -l thread -x -d 'events whose external_thread_id begins so'
complete -c flowrelay -n '__flowrelay_is source filter' -l all -d 'all events'
complete -c flowrelay -n '__flowrelay_is source invite' -l flow -x -d 'the only flow: ORG/FLOW, or its id'
complete -c flowrelay -n '__flowrelay_is source invite' -l expires -x -d 'how long it is open'
complete -c flowrelay -n '__flowrelay_is source invite' -l list -d 'the invitations that are open'
complete -c flowrelay -n '__flowrelay_is source invite' -l revoke -d 'withdraw the invitation'
complete -c flowrelay -n '__flowrelay_is source invite' -l invite-socket -r -F -d 'the socket of flowrelay-connect'
complete -c flowrelay -n '__flowrelay_is source remove' -l plan -d 'only say what would be done'
complete -c flowrelay -n '__flowrelay_is source remove' -l yes -d 'do it'
complete -c flowrelay -n '__flowrelay_is source remove' -l delete-remote -d 'remove it from its flow first'
complete -c flowrelay -n '__flowrelay_is source remove' -l flow -x -d 'ORG/FLOW, or its id'
complete -c flowrelay -n '__flowrelay_is source remove' -l source-id -x -d 'its id in the flow'
complete -c flowrelay -n '__flowrelay_is source remove' -l title -x -d 'its name in the flow'
complete -c flowrelay -n '__flowrelay_is source remove' -l access-token-file -r -F -d 'the file with the access token'
complete -c flowrelay -n '__flowrelay_is source remove' -l config -r -F -d 'the configuration'
complete -c flowrelay -n '__flowrelay_is source remove' -l no-browser -d 'only print the address'
complete -c flowrelay -n '__flowrelay_is source remove' -l wait -x -d 'seconds until it expires'
complete -c flowrelay -n '__flowrelay_is source' -l json -d 'as JSON'

complete -c flowrelay -n '__flowrelay_is config check show' -F
complete -c flowrelay -n '__flowrelay_is config check' -l user -x -a '(__fish_complete_users)' -d 'check as this user'
complete -c flowrelay -n '__flowrelay_is config check' -l unit -x -d 'whose sandbox counts'
complete -c flowrelay -n '__flowrelay_is config check' -l json -d 'as JSON'

complete -c flowrelay -n '__flowrelay_is spool verify declare-damaged test' -F
complete -c flowrelay -n '__flowrelay_is spool verify' -l json -d 'as JSON'
complete -c flowrelay -n '__flowrelay_is spool verify' -l quiet -d 'no line for each file'
complete -c flowrelay -n '__flowrelay_is spool test' -l seconds -x -d 'how long it takes'
complete -c flowrelay -n '__flowrelay_is spool test' -l power-cut -x -a 'write check' -d 'the phase'
complete -c flowrelay -n '__flowrelay_is spool test' -l acknowledged -x -d 'the last number that you saw'
complete -c flowrelay -n '__flowrelay_is spool book-lost' -l plan -d 'say what it would book'
complete -c flowrelay -n '__flowrelay_is spool book-lost' -l yes -d 'do it'
