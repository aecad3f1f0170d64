# Reads performance data and ranges as the Monitoring Plugins' own library for Perl does: JSON in, JSON out.
use strict;
use warnings;
use JSON::PP;
use Monitoring::Plugin::Performance;
use Monitoring::Plugin::Range;

# A text that is no range is told on standard error, too.
local $SIG{__WARN__} = sub { };
my $asked = decode_json(do { local $/; <STDIN> });
my @data = map {
  [ map { { label => $_->label, value => $_->value + 0, unit => $_->uom, warning => $_->warning, critical => $_->critical,
            min => $_->min, max => $_->max } } Monitoring::Plugin::Performance->parse_perfstring($_) ]
} @{ $asked->{data} };
my @alerts = map {
  my ($text, $value) = @$_;
  my $range = Monitoring::Plugin::Range->parse_range_string($text);
  defined $range ? ($range->check_range($value) ? JSON::PP::true : JSON::PP::false) : undef
} @{ $asked->{ranges} };
print encode_json({ data => \@data, alerts => \@alerts });
