"""Retweets: which originals are watched through rules on X, and whose city and feeds each retweet counts for.

A retweet has no place of its own, and place rules never match one. So the ids of recent located posts are
packed into rules `retweets_of_tweet_id:`, and each retweet that these bring takes place and feeds of its
original.

originals  what is known of located posts, for crediting         (the sender's thread)
credit     a retweet's message becomes its original's event      (the sender's thread)
tail       both are rebuilt from the topics before a start sends (the sender's thread)
candidates which posts may be watched, and how active they are   (any thread)
choice     which of them are                                     (a function)
packing    ids in rules, and back                                (functions)
rotation   what to add to X's rules, and what to delete          (a function)
pacing     when X may be asked                                   (the watch's thread)
watch      does it, beside the stream                            (the watch's thread)
"""
